// Pictures as numbers, as ImagePreprocessor makes them with TensorFlow.

const STRIP = 2 ** 20; // pixels that are read at once
const ORIENTATION = 0x112;

/**
 * A picture over white as floats from 0 to 1, resized with antialiasing.
 *
 * @param {Blob} blob A picture file.
 * @param {number[]} size Height and width.
 * @param {number} maxPixels What a larger picture is refused for.
 * @returns {Promise<Float32Array>} Of height * width * 3 numbers.
 */
export async function readPicture(blob, [height, width], maxPixels) {
  let bitmap;
  const { file, orientation } = await untagged(blob);
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
    });
  } catch (error) {
    throw new Error(
      "This is no picture that the browser can read, such as a JPEG, PNG, " +
        "GIF, BMP or WebP file.",
      { cause: error },
    );
  }
  try {
    if (bitmap.width * bitmap.height > maxPixels) {
      throw new Error(
        `A picture may have ${maxPixels.toLocaleString("en")} pixels. ` +
          `This one has ${bitmap.width} × ${bitmap.height}.`,
      );
    }
    const stored = orientation < 5 ? [height, width] : [width, height];
    return turn(resize(bitmap, ...stored), orientation, height, width);
  } finally {
    bitmap.close();
  }
}

/** A file, and how it is to be turned: WebP, which some browsers do not. */
async function untagged(blob) {
  const head = await blob.slice(0, 16).arrayBuffer();
  const upright = { file: blob, orientation: 1 };
  if (!/^RIFF....WEBPVP8X/s.test(latin(head))) return upright;
  const content = await blob.arrayBuffer();
  try {
    const { view, at, isLittle } = findOrientation(content);
    const orientation = view.getUint16(at, isLittle);
    if (!(orientation >= 1 && orientation <= 8)) return upright;
    view.setUint16(at, 1, isLittle);
    return { file: new Blob([content], { type: blob.type }), orientation };
  } catch (error) {
    if (error instanceof RangeError) return upright; // beyond the end
    throw error;
  }
}

/** Where the orientation is; an error of range if nowhere. */
function findOrientation(content) {
  const file = new DataView(content);
  let start = 12;
  while (latin(content, start, start + 4) !== "EXIF") {
    const size = file.getUint32(start + 4, true);
    start += 8 + size + (size % 2);
  }
  start += 8;
  if (latin(content, start, start + 6) === "Exif\0\0") start += 6;
  const view = new DataView(content, start);
  const isLittle = latin(content, start, start + 2) === "II";
  let at = view.getUint32(4, isLittle) + 2;
  const end = at + 12 * view.getUint16(at - 2, isLittle);
  while (at < end && view.getUint16(at, isLittle) !== ORIENTATION) at += 12;
  if (at >= end) throw new RangeError("No orientation.");
  return { view, at: at + 8, isLittle };
}

function latin(content, start = 0, end = content.byteLength) {
  return String.fromCharCode(...new Uint8Array(content.slice(start, end)));
}

/** Pixels brought upright, by the EXIF tag. */
function turn(pixels, orientation, height, width) {
  if (orientation === 1) return pixels;
  const upright = new Float32Array(pixels.length);
  for (let row = 0; row < height; row++) {
    const y = [3, 4, 7, 8].includes(orientation) ? height - 1 - row : row;
    for (let column = 0; column < width; column++) {
      const x = [2, 3, 6, 7].includes(orientation)
        ? width - 1 - column
        : column;
      const from = orientation < 5 ? y * width + x : x * height + y;
      const pixel = pixels.subarray(3 * from, 3 * from + 3);
      upright.set(pixel, 3 * (row * width + column));
    }
  }
  return upright;
}

/** The width is resized strip by strip, then the height. */
function resize(bitmap, height, width) {
  const columns = weights(bitmap.width, width);
  const rows = weights(bitmap.height, height);
  const narrow = new Float32Array(bitmap.height * width * 3);
  const step = Math.min(
    bitmap.height,
    Math.max(1, Math.floor(STRIP / bitmap.width)),
  );
  const canvas = new OffscreenCanvas(bitmap.width, step);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let to = 0;
  for (let top = 0; top < bitmap.height; top += step) {
    const count = Math.min(step, bitmap.height - top);
    context.fillStyle = "white";
    context.fillRect(0, 0, bitmap.width, step);
    context.drawImage(bitmap, 0, -top);
    const { data } = context.getImageData(0, 0, bitmap.width, count);
    for (let row = 0; row < count; row++) {
      for (const { first, values } of columns) {
        let place = (row * bitmap.width + first) * 4;
        let red = 0;
        let green = 0;
        let blue = 0;
        for (let i = 0; i < values.length; i++, place += 4) {
          red += values[i] * data[place];
          green += values[i] * data[place + 1];
          blue += values[i] * data[place + 2];
        }
        narrow[to++] = red;
        narrow[to++] = green;
        narrow[to++] = blue;
      }
    }
  }
  const pixels = new Float32Array(height * width * 3);
  to = 0;
  for (const { first, values } of rows) {
    for (let column = 0; column < width * 3; column++) {
      let place = first * width * 3 + column;
      let sum = 0;
      for (let i = 0; i < values.length; i++, place += width * 3) {
        sum += values[i] * narrow[place];
      }
      pixels[to++] = Math.min(Math.max(sum / 255, 0), 1);
    }
  }
  return pixels;
}

/** Of each new pixel: its first old one, and the weights of it and others. */
function weights(oldSize, newSize) {
  const scale = oldSize / newSize;
  const support = Math.max(scale, 1);
  return Array.from({ length: newSize }, (_, place) => {
    const center = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const last = Math.min(Math.trunc(center + support + 0.5), oldSize);
    const values = Float64Array.from({ length: last - first }, (_, i) =>
      Math.max(1 - Math.abs(first + i - center + 0.5) / support, 0),
    );
    const sum = values.reduce((a, b) => a + b, 0);
    return { first, values: values.map((value) => value / sum) };
  });
}
