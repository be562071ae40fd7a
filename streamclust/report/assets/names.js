// names.csv, as `streamclust label --names` reads it.
const COLUMNS = ["set", "clustering", "cluster", "name", "outlier", "mark"];

// On one line, without what cannot be seen.
function cleanName(text) {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
}

// No spreadsheet takes it for a formula.
function safeCell(text) {
  return /^'*[=+\-@\t\r]/.test(text) ? "'" + text : text;
}

function csvCell(text) {
  return /[",;\t\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

// `lines`: objects with the keys of COLUMNS, `outlier` a boolean.
function namesCsv(lines) {
  const rows = lines.map((line) => [
    safeCell(line.set), line.clustering, String(line.cluster), safeCell(cleanName(line.name)),
    line.outlier ? "1" : "0", line.mark,
  ]);
  return [COLUMNS, ...rows].map((row) => row.map(csvCell).join(",") + "\r\n").join("");
}
