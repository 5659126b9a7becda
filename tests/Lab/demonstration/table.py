"""Builds a big table while it reads its input, writes results as it goes, and prints a digest of the whole at the end.

usage: table.py INPUT OUTPUT

Deterministic: the same input gives the same output, byte for byte, wherever and however often it moves.
"""
import os
import sys


def main(source, target):
    table = {}
    with open(source, "r", encoding="ascii") as lines, open(target, "w", encoding="ascii") as results:
        for number, line in enumerate(lines):
            name, value = line.split()
            # Some 2 KiB a row, and some work: the table outgrows a small PC in a few seconds.
            row = (value * 60)[:2000]
            weight = 0
            for character in row[:400]:
                weight = (weight * 31 + ord(character)) % 1000003
            table[name] = row + str(weight)
            if number % 5000 == 4999:
                results.write(f"{number + 1} rows, last {name}\n")
                results.flush()

    # A module that nothing had loaded before: its files are read at home.
    import hashlib
    import json

    digest = hashlib.sha256()
    for name in sorted(table):
        digest.update(name.encode())
        digest.update(table[name].encode())
    json.dump({"rows": len(table), "sha256": digest.hexdigest()}, sys.stdout)
    print()
    print(f"ran as {os.path.basename(sys.argv[0])}", file=sys.stderr)
    return 3 if len(table) != 300000 else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
