export const settings = { name: "shop", sizes: [1, 2, 3] };
export const most = 10;
export const open = "at nine";
export function rename(name) {
  expose("settings", { name, sizes: [] });
}
