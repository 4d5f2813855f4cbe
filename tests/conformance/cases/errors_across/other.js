export const through = (f) => f();
export function fail_with(code) {
  throw { code, message: "code " + code };
}
