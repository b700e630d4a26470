// Rows of an index, and those nearest to an embedding.

export class Rows {
  /**
   * @param {Float32Array} embeddings Row after row, each of length 1.
   * @param {string[]} ids One for each row; equal ones are one item.
   */
  constructor(embeddings, ids) {
    this.embeddings = embeddings;
    this.ids = ids;
    this.items = new Map();
    this.itemOfRow = Uint32Array.from(ids, (id, row) => {
      if (!this.items.has(id)) {
        this.items.set(id, { number: this.items.size, firstRow: row });
      }
      return this.items.get(id).number;
    });
  }

  /** The first row of an item, or undefined. */
  firstRow(id) {
    return this.items.get(id)?.firstRow;
  }

  /**
   * Items by their nearest rows and the cosines of these, best first.
   *
   * Of equal rows the first counts, as in `ExactIndex`, which sums as exactly.
   */
  nearest(embedding, k) {
    const bestScores = new Float32Array(this.items.size).fill(-2);
    const bestRows = new Uint32Array(this.items.size);
    for (let row = 0; row < this.ids.length; row++) {
      const cosine = product(this.embeddings, row, embedding);
      const score = Math.fround(Math.min(Math.max(cosine, -1), 1));
      const item = this.itemOfRow[row];
      if (score > bestScores[item]) {
        bestScores[item] = score;
        bestRows[item] = row;
      }
    }
    const found = [];
    bestScores.forEach((score, item) => {
      if (found.length === k && score < found[k - 1].score) return;
      const hit = { id: this.ids[bestRows[item]], score, row: bestRows[item] };
      let place = found.length;
      while (place > 0 && isBefore(hit, found[place - 1])) place--;
      if (place === k) return;
      found.splice(place, 0, hit);
      if (found.length > k) found.pop();
    });
    return found;
  }
}

/** Rows of float16 as float32, each of length 1 again. */
export function readHalves(halves, dim) {
  const values = toFloats(halves);
  for (let start = 0; start < values.length; start += dim) {
    let sum = 0;
    for (let i = start; i < start + dim; i++) sum += values[i] * values[i];
    const norm = Math.sqrt(sum) || 1;
    for (let i = start; i < start + dim; i++) values[i] /= norm;
  }
  return values;
}

/** float16 as float32, by a table of all its finite values. */
export function toFloats(halves) {
  const table = Float32Array.from({ length: 2 ** 16 }, (_, bits) => {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    if (exponent === 0) return sign * fraction * 2 ** -14;
    return sign * (1 + fraction) * 2 ** (exponent - 15);
  });
  const values = new Float32Array(halves.length);
  for (let i = 0; i < values.length; i++) values[i] = table[halves[i]];
  return values;
}

/** Product of a row and an embedding, in four sums that do not wait. */
function product(rows, row, embedding) {
  const dim = embedding.length;
  const first = row * dim;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < dim; i += 4) {
    const place = first + i;
    a += rows[place] * embedding[i];
    b += rows[place + 1] * embedding[i + 1];
    c += rows[place + 2] * embedding[i + 2];
    d += rows[place + 3] * embedding[i + 3];
  }
  for (; i < dim; i++) a += rows[first + i] * embedding[i];
  return a + b + (c + d);
}

function isBefore(a, b) {
  return a.score > b.score || (a.score === b.score && a.row < b.row);
}
