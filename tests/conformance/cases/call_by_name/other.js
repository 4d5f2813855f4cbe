export const double = (n) => n * 2;
export const season = "winter";
