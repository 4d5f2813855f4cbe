export const work = () => "worked";
export const make = () => () => "made";
export const fact = 7;
