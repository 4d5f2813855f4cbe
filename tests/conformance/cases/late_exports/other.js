expose("publish", (n) => {
  expose("late", () => `late ${n}`);
});
