const own = () => "theirs";
export const mirror = (f) => f;
export const give = () => own;
export const is_own = (f) => (f === own ? "own" : "another");
