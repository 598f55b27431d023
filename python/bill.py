"""What is in the programs of the wheel: a software bill of materials, and the notices of their authors.

    python bill.py NOTICES BILL PROGRAM...

NOTICES is the folder for the texts, BILL the file of the bill (CycloneDX, JSON). The crates are those that cargo
names for the programs, the libraries those that the programs load, with what Debian's packages say of them.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = "cargo tree --locked -p sim -p runtime --no-default-features -e normal,build --prefix none".split()


def output(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120, **more).stdout


def crates():
    """Name, version, licence and folder of every crate that is compiled in."""
    used = set()
    for line in output(*TREE, "--format", "{p}", cwd=ROOT).splitlines():
        if line:
            name, version, *_ = line.split()
            used.add((name, version.lstrip("v")))
    described = json.loads(output("cargo", "metadata", "--locked", "--format-version=1", cwd=ROOT))
    for package in sorted(described["packages"], key=lambda p: (p["name"], p["version"])):
        if (package["name"], package["version"]) in used and package["source"]:
            folder = Path(package["manifest_path"]).parent
            yield package["name"], package["version"], package["license"] or "", folder


def libraries(programs):
    """Debian's package and version of every library that the programs load, libc aside."""
    files = set()
    for program in programs:
        files.update(re.findall(r"=> (/\S+)", output("ldd", program)))
    packages = set()
    for file in files:
        # By its name: the same folder may be /lib or /usr/lib.
        package = output("dpkg", "-S", f"*/{Path(file).resolve().name}").split(":")[0]
        if package != "libc6":
            packages.add(package)
    for package in sorted(packages):
        yield package, output("dpkg-query", "-W", "-f", "${Version}", package)


def main(notices, bill, *programs):
    notices = Path(notices)
    notices.mkdir(parents=True, exist_ok=True)
    components, texts = [], {}
    for name, version, licence, folder in crates():
        components.append({"type": "library", "name": name, "version": version,
                           "purl": f"pkg:cargo/{name}@{version}", "licenses": [{"expression": licence}]})
        found = [file for file in sorted(folder.iterdir())
                 if re.match(r"(?i)(licen[cs]e|copying|notice|copyright|unlicense)", file.name) and file.is_file()]
        for file in found:
            text = file.read_text(encoding="utf-8", errors="replace").strip()
            texts.setdefault(text, []).append(f"{name} {version}")
        if not found:
            texts.setdefault(f"Licence: {licence} (its package holds no text of its own).", []).append(f"{name} {version}")
    with open(notices / "crates.txt", "w", encoding="utf-8") as out:
        for text, names in texts.items():
            out.write(f"{'=' * 80}\n{', '.join(dict.fromkeys(names))}\n{'=' * 80}\n{text}\n\n")
    for package, version in libraries(programs):
        components.append({"type": "library", "name": package, "version": version,
                           "purl": f"pkg:deb/debian/{package}@{version}"})
        path = Path(f"/usr/share/doc/{package}/copyright")
        if not path.exists():
            sys.exit(f"allot: there is no {path}, whose text has to go with the library: reinstall {package} with its documents")
        text = path.read_text(encoding="utf-8", errors="replace")
        (notices / f"{package}.txt").write_text(text, encoding="utf-8")
    tools = {"components": [{"type": "application", "name": "rustc", "version": output("rustc", "--version").split()[1]}]}
    hashes = [{"type": "file", "name": Path(program).name,
               "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(Path(program).read_bytes()).hexdigest()}]}
              for program in programs]
    Path(bill).write_text(json.dumps({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"tools": tools, "component": {"type": "application", "name": "allot", "components": hashes}},
        "components": components,
    }, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
