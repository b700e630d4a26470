// Search the index of this folder by texts and pictures.
//
//     import { Search } from "./search.js";
//
//     const search = await Search.load();
//     const { hits } = await search.findText("a red apple", { k: 5 });
//     console.log(hits[0].id, hits[0].score);

import {
  getGlobalLiteRtPromise,
  loadAndCompile,
  loadLiteRt,
  Tensor,
} from "@litertjs/core";
import { readPicture } from "./picture.js";
import { readHalves, Rows } from "./rows.js";
import { pad, readVocabulary, tokenIds } from "./text.js";

const ARRAYS = { float32: Float32Array, int32: Int32Array };

export class Search {
  #folder;
  #report;
  #towers = new Map();
  #vocabularies = new Map();
  #rows = new Map();

  /**
   * Load all that searching needs.
   *
   * It may be called again, for the same or another folder.
   *
   * @param {string | URL} folder Where the files are.
   * @param {(share: number) => void} onProgress Called with the share, from 0
   *     to 1, of the bytes that are there.
   */
  static async load(
    folder = new URL(".", import.meta.url),
    onProgress = () => {},
  ) {
    const search = new Search();
    search.#folder = new URL(folder, import.meta.url);
    if (!search.#folder.pathname.endsWith("/")) search.#folder.pathname += "/";
    await search.#load(onProgress);
    return search;
  }

  /** What there is to find. */
  get modalities() {
    return Object.keys(this.#report.index);
  }

  /** Modalities that can be asked with a text. */
  get texts() {
    return this.#able((endpoint) => endpoint.tokenizers);
  }

  /** Modalities that can be asked with a picture. */
  get pictures() {
    return this.#able(isPicture);
  }

  /**
   * Find what is nearest to a text.
   *
   * @param {string} text
   * @param {{k?: number, modality?: string, queryModality?: string}} options
   *     How many hits; what to find, by default another modality than the
   *     query's; what the query is, where it is not clear.
   * @returns {Promise<{queryModality: string, modality: string,
   *     isKnown: boolean, hits: {id: string, score: number, row: number}[]}>}
   *     Hits have the cosine as their score, and come best first; `isKnown`
   *     says whether a word of the text is in the vocabulary.
   */
  async findText(text, options = {}) {
    if (!text.trim()) throw new Error("A query must hold a word.");
    const plan = this.#plan(options, this.texts);
    const { ids, isKnown } = this.tokenize(text, plan.source);
    return { isKnown, ...(await this.#find(ids, plan)) };
  }

  /**
   * Find what is nearest to a picture.
   *
   * @param {Blob} blob A picture file.
   * @param {object} options As those of `findText`.
   */
  async findPicture(blob, options = {}) {
    const plan = this.#plan(options, this.pictures);
    const { config } = this.#endpoint(plan.source).preprocessor;
    const pixels = await readPicture(
      blob,
      config.image_size,
      config.max_pixels,
    );
    return this.#find(pixels, plan);
  }

  /** Token ids of a text, those of all tokenizers side by side. */
  tokenize(text, modality) {
    const ids = [];
    let isKnown = false;
    for (const tokenizer of this.#endpoint(modality).tokenizers) {
      const vocabulary = this.#vocabularies.get(tokenizer.vocabulary);
      const found = tokenIds(text, vocabulary, tokenizer);
      isKnown ||= found.some((id) => id > 1);
      ids.push(...pad(found, tokenizer.sequence_length));
    }
    return { ids, isKnown };
  }

  /** Embedding of a preprocessed example, of length 1. */
  async embed(x, modality) {
    const { name, input } = this.#endpoint(modality);
    const array = ARRAYS[input.dtype].from(x);
    const tensor = new Tensor(array, [1, ...input.shape.slice(1)]);
    let outputs;
    try {
      outputs = await this.#towers.get(modality).run(name, {
        [input.name]: tensor,
      });
    } finally {
      tensor.delete();
    }
    const values = Float64Array.from(outputs.embedding.toTypedArray());
    outputs.embedding.delete();
    if (!values.every(Number.isFinite)) {
      throw new Error("The model knows nothing of this query.");
    }
    const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
    const norm = Math.hypot(...values.map((value) => value / largest)) || 1;
    return Float32Array.from(values, (value) => value / largest / norm);
  }

  /** The picture of a hit: its sheet, and its place there. */
  thumbnail(modality, hit) {
    const { index } = this.#report;
    const own = index[modality].thumbnails;
    if (own) return place(own, hit.row);
    for (const [name, { thumbnails }] of Object.entries(index)) {
      const row = this.#rows.get(name).firstRow(hit.id);
      if (thumbnails && row !== undefined) return place(thumbnails, row);
    }
    return null;
  }

  /** What the options of a query say, checked. */
  #plan({ k = 10, modality, queryModality }, able) {
    if (!Number.isInteger(k) || k < 1) {
      throw new RangeError(`k must be a positive integer. Received: ${k}`);
    }
    const source = choose(queryModality, able);
    const others = this.modalities.filter((name) => name !== source);
    const target = choose(
      modality,
      this.modalities,
      others.length ? others : [source],
    );
    return { k, source, target };
  }

  async #find(x, { k, source, target }) {
    const embedding = await this.embed(x, source);
    return {
      queryModality: source,
      modality: target,
      hits: this.#rows.get(target).nearest(embedding, k),
    };
  }

  #able(test) {
    return Object.values(this.#report.endpoints)
      .filter(test)
      .map((endpoint) => endpoint.input.name);
  }

  #endpoint(modality) {
    const name = `embed_${modality}`;
    return { name, ...this.#report.endpoints[name] };
  }

  async #load(onProgress) {
    const report = await this.#fetch("report.json");
    this.#report = await report.json();
    const { endpoints, index, files: sizes } = this.#report;
    let received = 0;
    let total = 0;
    const read = (file) => {
      total += sizes[file];
      return this.#read(file, (bytes) => {
        received += bytes;
        onProgress(received / total);
      });
    };
    const vocabularies = Object.values(endpoints).flatMap((endpoint) =>
      (endpoint.tokenizers ?? []).map(({ vocabulary }) => vocabulary),
    );
    const files = Object.values(endpoints).map(async (endpoint) => [
      endpoint,
      await read(endpoint.file),
    ]);
    const [towers] = await Promise.all([
      Promise.all(files),
      // A page loads it once.
      getGlobalLiteRtPromise() ??
        loadLiteRt(new URL("litert/", this.#folder).href),
      ...vocabularies.map(async (file) => {
        const content = await read(file);
        const text = new TextDecoder("utf-8", { ignoreBOM: true });
        this.#vocabularies.set(file, readVocabulary(text.decode(content)));
      }),
      ...Object.entries(index).map(async ([modality, facts]) => {
        const [embeddings, ids] = await Promise.all([
          read(facts.embeddings),
          read(facts.ids),
        ]);
        const values =
          facts.dtype === "float16"
            ? readHalves(new Uint16Array(embeddings.buffer), facts.dim)
            : new Float32Array(embeddings.buffer);
        const list = JSON.parse(new TextDecoder().decode(ids));
        this.#rows.set(modality, new Rows(values, list));
      }),
    ]);
    for (const [{ input }, content] of towers) {
      const tower = await loadAndCompile(content, { accelerator: "wasm" });
      this.#towers.set(input.name, tower);
      // The first run is slower than all later ones.
      const size = input.shape.slice(1).reduce((a, b) => a * b, 1);
      await this.embed(new Array(size).fill(0), input.name).catch(() => {});
    }
  }

  async #read(file, count) {
    const response = await this.#fetch(file);
    const parts = [];
    let size = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
      count(value.length);
    }
    const content = new Uint8Array(size);
    let start = 0;
    for (const part of parts) {
      content.set(part, start);
      start += part.length;
    }
    return content;
  }

  async #fetch(file) {
    const path = file.split("/").map(encodeURIComponent).join("/");
    const response = await fetch(new URL(path, this.#folder));
    if (!response.ok) {
      throw new Error(
        `The file ${file} cannot be loaded: ${response.status} ` +
          response.statusText,
      );
    }
    return response;
  }
}

function place({ files, columns, rows }, row) {
  const cell = row % (columns * rows);
  return {
    file: files[Math.floor(row / (columns * rows))],
    column: cell % columns,
    row: Math.floor(cell / columns),
    columns,
    rows,
  };
}

function isPicture(endpoint) {
  return endpoint.preprocessor?.class_name === "ImagePreprocessor";
}

/** A modality by its name, or the only one that is possible. */
function choose(name, possible, preferred = possible) {
  if (name === undefined && preferred.length) return preferred[0];
  if (possible.includes(name)) return name;
  throw new Error(
    `A modality must be one of ${possible.join(", ") || "none"}, not ${name}.`,
  );
}
