"""Files that are wrong in one place or in many."""

import numpy as np


def mutated(content, random):
    """Change a file as a bad disk, a bad cable or a bad person does."""
    octets = bytearray(content)
    for _ in range(random.integers(1, 4)):
        kind = random.integers(0, 6)
        # Half of them in the header, which says how to read the rest.
        end = len(octets) if random.random() < 0.5 else min(len(octets), 64)
        at = int(random.integers(0, max(end, 1)))
        size = int(random.integers(1, 9))
        if kind == 0:  # cut
            del octets[at:]
        elif kind == 1:  # a hole
            del octets[at : at + size]
        elif kind == 2:  # noise
            octets[at : at + size] = random.bytes(size)
        elif kind == 3:  # a bit
            if at < len(octets):
                octets[at] ^= 1 << int(random.integers(0, 8))
        elif kind == 4:  # the largest numbers, or none
            octets[at : at + 4] = random.choice([b"\xff", b"\0", b"\x7f"]) * 4
        else:  # a part once more
            octets[at:at] = octets[at : at + 16 * size]
    return bytes(octets)


def mutations(contents, count, seed=0):
    """Yield the files themselves, and as many wrong ones."""
    yield from contents
    random = np.random.default_rng(seed)
    for index in range(count):
        yield mutated(contents[index % len(contents)], random)
