export const colours = () => ["red", "green", "blue"];
export const prices = () => ({ apple: 1, pear: 20, fig: 300 });
export const holes = () => [1, null, 3];
