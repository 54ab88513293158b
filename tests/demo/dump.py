"""The demo's leak: 64 MiB of e-mails and pictures that never existed, the same bytes each time."""
import hashlib
import struct

BYTES = 64 << 20
LETTERS = 400
PICTURE = 1 << 21
NAMES = ["Camille", "Dominique", "Claude", "Maxime", "Alix", "Sacha", "Noa", "Eden"]
SUBJECTS = ["Réunion de jeudi", "Facture 2017-041", "Re: déplacement à Amiens", "Liste des invités", "Fwd: budget", "Note interne"]


def letter(number):
    sender, reader = NAMES[number % len(NAMES)], NAMES[(number // len(NAMES) + 3) % len(NAMES)]
    body = "".join(f"{hashlib.sha256(f'{number}.{line}'.encode()).hexdigest()}\n" for line in range(200))
    return (f"From: {sender} <{sender.lower()}@campaign.example>\nTo: {reader} <{reader.lower()}@campaign.example>\n"
            f"Subject: {SUBJECTS[number % len(SUBJECTS)]}\nDate: Fri, 05 May 2017 {number % 24:02}:{number % 60:02}:00 +0200\n"
            f"Message-ID: <{number}@campaign.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{body}").encode()


def picture(number, size):
    """A BMP of noise, 512 pixels wide; what is left over at the end belongs to no row."""
    header, row = 54, 512 * 3
    rows = (size - header) // row
    head = b"BM" + struct.pack("<IHHI", size, 0, 0, header) + struct.pack("<IiiHHIIiiII", 40, 512, rows, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return head + hashlib.shake_128(f"picture {number}".encode()).digest(size - header)


def write(folder):
    """Writes the dump into the folder; how many files it has."""
    written = files = 0
    (folder / "courriels").mkdir(parents=True)
    (folder / "photos").mkdir()
    for number in range(LETTERS):
        content = letter(number)
        (folder / "courriels" / f"{number:04}.eml").write_bytes(content)
        written += len(content)
        files += 1
    while written < BYTES:
        content = picture(files, min(PICTURE, BYTES - written) if BYTES - written > 4096 else 4096)
        (folder / "photos" / f"IMG_{files:04}.bmp").write_bytes(content)
        written += len(content)
        files += 1
    return files
