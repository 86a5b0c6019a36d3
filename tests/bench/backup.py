#!/usr/bin/env python3
"""Measures backup and restore of a store to a real S3 server, beside restic with the same resources and server.

    tests/bench/backup.py target/release/musubi [--mebibytes 1024] [--edited 0.01] [--only musubi|restic] [--json]

The store is filled from a seed with records of 46 FHIR resources (those of first_sync.py) until their NDJSON has so many
mebibytes. restic backs the same resources up twice: as one NDJSON, and as one file for each record. Then some records get
a changed medication and a new observation, and both back up again. Each restores into an empty place, and what is
restored is compared. Needs SeaweedFS (target/seaweedfs, which tests/run installs, or MUSUBI_WEED) and restic (a Debian
package; without it those columns are left out).
"""
import argparse, gzip, json, os, random, shutil, socket, subprocess, sys, tempfile, time, urllib.request
from first_sync import record, run

ACCESS, SECRET, BUCKET = "musubi-test", "musubi-test-secret", "region-backup"
SAMPLE = 64 << 20


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("musubi")
    asked.add_argument("--mebibytes", type=int, default=1024)
    asked.add_argument("--edited", type=float, default=0.01)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", choices=["musubi", "restic"])
    asked.add_argument("--json", action="store_true")
    asked = asked.parse_args()
    work = tempfile.mkdtemp(prefix="musubi-bench-")
    server = None
    try:
        say("making the resources")
        region = Region(work, asked)
        server = Server(work)
        figures = region.figures()
        if asked.only != "restic":
            figures.update(of_musubi(os.path.abspath(asked.musubi), work, region, server))
        if asked.only == "musubi":
            say("restic is left out")
        elif shutil.which("restic"):
            figures.update(of_restic(work, region, server))
        else:
            say("restic is not installed: its figures are left out")
    finally:
        if server:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(work, ignore_errors=True)
    if asked.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<58} {value:>14,.3f}" if isinstance(value, float) else f"{name:<58} {value:>14,}")


def say(what):
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def line(resource):
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n"


class Region:
    """The resources: one NDJSON, one file for each record, and what is edited of them."""

    def __init__(self, work, asked):
        rng, self.raw, self.records, self.resources, self.round = random.Random(asked.seed), 0, 0, 0, 0
        self.whole, self.parts, self.edits = f"{work}/one/region.ndjson", f"{work}/records", f"{work}/edits.ndjson"
        self.work, self.kept = work, {}
        os.makedirs(f"{work}/one")
        every = max(1, round(1 / asked.edited))
        with open(self.whole, "w", encoding="utf-8") as whole:
            while self.raw < asked.mebibytes << 20:
                resources = list(record(rng, self.records))
                if self.records % every == 0:
                    self.kept[self.records] = resources
                text = "".join(map(line, resources))
                folder = f"{self.parts}/{self.records // 1000:04d}"
                os.makedirs(folder, exist_ok=True)
                with open(f"{folder}/{self.records:07d}.ndjson", "w", encoding="utf-8") as file:
                    file.write(text)
                whole.write(text)
                self.raw += len(text.encode())
                self.records += 1
                self.resources += len(resources)

    def edit(self):
        """Gives some records another dose and a new observation; writes what changed, and both forms anew."""
        changed, self.round = [], self.round + 1
        when = f"2026-11-{self.round:02d}T08:00:00+09:00"
        for number, resources in self.kept.items():
            dose = dict(resources[6], dosageInstruction=[{"text": f"{self.round}0mg 1日1回 夕食後"}])
            dose["meta"] = dict(dose["meta"], lastUpdated=when)
            seen = dict(resources[24], id=f"{resources[0]['id']}-new{self.round}")
            seen["meta"] = dict(seen["meta"], lastUpdated=when)
            resources[6] = dose
            resources.append(seen)
            changed += [line(dose), line(seen)]
            with open(f"{self.parts}/{number // 1000:04d}/{number:07d}.ndjson", "w", encoding="utf-8") as file:
                file.write("".join(map(line, resources)))
        with open(self.edits, "w", encoding="utf-8") as file:
            file.write("".join(changed))
        with open(self.whole, "w", encoding="utf-8") as whole:
            for number in range(self.records):
                with open(f"{self.parts}/{number // 1000:04d}/{number:07d}.ndjson", encoding="utf-8") as file:
                    whole.write(file.read())
        self.resources += len(self.kept)
        return len(gzip.compress("".join(changed).encode(), 6))

    def figures(self):
        with open(self.whole, "rb") as file:
            sample = file.read(SAMPLE)
        packed = len(gzip.compress(sample, 6)) / len(sample)
        return {"records": self.records, "FHIR as NDJSON, MB": self.raw / 1e6, "floor: gzip -6 of it, MB (by a sample)": self.raw * packed / 1e6}


class Server:
    """SeaweedFS in one process, with one bucket, in the bench's own folder."""

    def __init__(self, work):
        program = os.environ.get("MUSUBI_WEED", os.path.join(os.path.dirname(__file__), "../../target/seaweedfs/bin/weed"))
        data, ports = f"{work}/weed", [free_port() for _ in range(5)]
        os.makedirs(f"{data}/disk")
        keys = [{"name": "owner", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]
        with open(f"{data}/identities.json", "w") as file:
            json.dump({"identities": keys}, file)
        self.address, self.data, log = f"127.0.0.1:{ports[3]}", f"{data}/disk", open(f"{data}/log", "w")
        names = ["master", "volume", "filer", "s3", "admin"]
        self.process = subprocess.Popen(
            [os.path.abspath(program), "mini", f"-dir={data}/disk", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", f"-bucket={BUCKET}", f"-s3.config={data}/identities.json", f"-filer.localSocket={data}/filer.sock", f"-s3.localSocket={data}/s3.sock"] + [f"-{name}.port={port}" for name, port in zip(names, ports)],
            cwd=data, env={**os.environ, "HOME": data, "TMPDIR": data}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://{self.address}/", timeout=1)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.25)
        time.sleep(5)

    def stored(self):
        """Returns how many bytes lie on the server's disk."""
        return int(subprocess.run(["du", "-sb", self.data], capture_output=True, check=True).stdout.split()[0])


def free_port():
    """Finds a port that is free, together with that 10,000 above it, on which the server listens, too."""
    while True:
        port = random.randrange(11_000, 22_000)
        try:
            for one in (port, port + 10_000):
                with socket.socket() as taken:
                    taken.bind(("127.0.0.1", one))
            return port
        except OSError:
            continue


def peaked(command, **options):
    """Runs a command to its end; returns its JSON answer, wall and CPU seconds, and its peak memory in MB."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed: {out.decode()}")
    return json.loads(out), time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def of_musubi(musubi, work, region, server):
    environment = {**os.environ, "MUSUBI_AUTHOR": "bench", "MUSUBI_ROLE": "import", "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
    base = {"cwd": work, "env": environment}
    url = f"s3://{BUCKET}/musubi?endpoint=http://{server.address}&region=us-east-1"
    run([musubi, "realm", "create", "--realm", "r", "--name", "bench", "--json"], **base)
    enrolled, *_ = run([musubi, "realm", "enrol", "--realm", "r", "--site", "north", "--kind", "hospital", "--device", "north", "--role", "hospital", "--area", "shared/bench", "--store", "north", "--json"], **base)
    say("musubi: import")
    imported, import_wall, import_cpu, import_peak = peaked([musubi, "import", "--store", "north", region.whole, "--json"], **base)
    assert imported["added"] == region.resources, imported
    say("musubi: first backup")
    first, first_wall, first_cpu, first_peak = peaked([musubi, "backup", "now", "--store", "north", "--url", url, "--json"], **base)
    packed = region.edit()
    say("musubi: edits and a second backup")
    run([musubi, "import", "--store", "north", region.edits, "--json"], **base)
    second, second_wall, second_cpu = run([musubi, "backup", "now", "--store", "north", "--url", url, "--json"], **base)
    say("musubi: restore")
    restored, restore_wall, restore_cpu, restore_peak = peaked([musubi, "backup", "restore", "--url", url, "--recovery-key", enrolled["recovery_kit"], "--store", "again", "--json"], **base)
    # Restored is what is verified and durable; the index is built by whoever opens the store first.
    say("musubi: first question")
    found, find_wall, _ = run([musubi, "find", "田中", "--store", "again", "--json"], **base)
    assert found["patients"], found
    say("musubi: export of what was restored")
    exported, *_ = run([musubi, "export", "--store", "again", "--all", "--format", "ndjson", "--to", f"{work}/out", "--json"], **base)
    assert exported["resources"] == region.resources, exported
    _, deep_wall, _ = run([musubi, "status", "--deep", "--store", "again", "--json"], **base)
    for place in ("out", "again"):
        shutil.rmtree(f"{work}/{place}", ignore_errors=True)
    return {
        "edits: gzip -6 of them, kB": packed / 1e3,
        "musubi: import beside it, wall s": import_wall,
        "musubi: import beside it, CPU s": import_cpu,
        "musubi: import beside it, peak MB": import_peak,
        "musubi: first backup, wall s": first_wall,
        "musubi: first backup, CPU s": first_cpu,
        "musubi: first backup, peak MB": first_peak,
        "musubi: first backup, MB": first["bytes"] / 1e6,
        "musubi: restore, wall s": restore_wall,
        "musubi: restore, CPU s": restore_cpu,
        "musubi: restore, peak MB": restore_peak,
        "musubi: first question after it, which builds the index, wall s": find_wall,
        "musubi: backup and restore, wall s": first_wall + restore_wall,
        "musubi: backup after edits, wall s": second_wall,
        "musubi: backup after edits, CPU s": second_cpu,
        "musubi: backup after edits, kB": second["bytes"] / 1e3,
        "musubi: every entry read once (status --deep), wall s": deep_wall,
    }


def of_restic(work, region, server):
    figures = {}
    for form, place in (("one NDJSON", f"{work}/one"), ("a file a record", region.parts)):
        name = form.replace(" ", "-").lower()
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": f"{work}/cache", "RESTIC_REPOSITORY": f"s3:http://{server.address}/{BUCKET}/{name}"}

        def restic(*arguments):
            began, process = time.monotonic(), subprocess.Popen(["restic", *arguments, "--json", "--quiet"], env=environment, cwd=work, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            if status != 0:
                sys.exit(f"restic {' '.join(arguments)} failed")
            return time.monotonic() - began, used.ru_utime + used.ru_stime

        say(f"restic, {form}")
        restic("init")
        # What is edited is there by now: the first backup is of as many bytes, and the second of records edited once more.
        figures[f"restic, {form}: first backup, wall s"], figures[f"restic, {form}: first backup, CPU s"] = restic("backup", place)
        before = server.stored()
        region.edit()
        figures[f"restic, {form}: backup after edits, wall s"], _ = restic("backup", place)
        figures[f"restic, {form}: backup after edits, kB on the server"] = (server.stored() - before) / 1e3
        figures[f"restic, {form}: restore, wall s"], _ = restic("restore", "latest", "--target", f"{work}/restored")
        figures[f"restic, {form}: backup and restore, wall s"] = figures[f"restic, {form}: first backup, wall s"] + figures[f"restic, {form}: restore, wall s"]
        shutil.rmtree(f"{work}/restored")
    return figures


if __name__ == "__main__":
    main()
