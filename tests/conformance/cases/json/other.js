export const decoded = (text) => json.decode(text);
export const encoded = (value) => json.encode(value);
