// What a page holds as text.

export const decoded = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
