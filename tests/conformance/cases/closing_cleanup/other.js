export function stuck() {
  try {
    host.signal("stuck");
    host.hang();
  } finally {
    print("closed by other");
  }
}
