export const theirs = () => "theirs";
expose("their.own", 1);
