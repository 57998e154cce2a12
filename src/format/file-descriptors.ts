export const FILES = [];
