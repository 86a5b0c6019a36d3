#!/usr/bin/env python3
"""Measures import, first sync, re-import and export of a synthetic region, with gzip of the same FHIR as the floor.

    tests/bench/first_sync.py target/release/musubi [--records 10000] [--json]

The region is made from a seed: each record holds 46 FHIR resources (patient, 5 allergies, 10 medications, 8
conditions, 20 observations, 2 notes; some 15 kB of JSON). Two processes, real QUIC over loopback, real files with
fsync. CPU is what the system accounts to each process; bytes are the session's payload.
"""
import argparse, base64, gzip, json, os, random, shutil, subprocess, sys, tempfile, time

FAMILY = "佐藤 サトウ,鈴木 スズキ,高橋 タカハシ,田中 タナカ,渡辺 ワタナベ,伊藤 イトウ,山本 ヤマモト,中村 ナカムラ,小林 コバヤシ,加藤 カトウ,吉田 ヨシダ,山田 ヤマダ".split(",")
GIVEN = "幸雄 ユキオ,咲希 サキ,太郎 タロウ,花子 ハナコ,健一 ケンイチ,美代子 ミヨコ,翔 ショウ,結衣 ユイ,蓮 レン,陽菜 ヒナ,正 タダシ,和子 カズコ".split(",")
DRUGS = "アムロジピン,ワルファリン,メトホルミン,アスピリン,ランソプラゾール,ロキソプロフェン,フロセミド,アトルバスタチン,センノシド,酸化マグネシウム".split(",")
ILLS = "高血圧症,2型糖尿病,心房細動,慢性腎臓病,脂質異常症,変形性膝関節症,気管支喘息,骨粗鬆症".split(",")
TESTS = "Na,K,Cl,BUN,Cre,AST,ALT,LDH,γ-GTP,CRP,WBC,RBC,Hb,Plt,Glu,HbA1c,TG,LDL,HDL,BNP".split(",")
SYSTEM = "urn:oid:1.2.392.100495.20.3.51.11499999999"
PROFILE = "http://jpfhir.jp/fhir/core/StructureDefinition/JP_"


def concept(text, system, code):
    return {"text": text, "coding": [{"system": system, "code": code, "display": text}]}


def record(rng, number):
    """Yields the 46 resources of one patient."""
    pid = f"p{number:07d}"
    ref = {"reference": f"Patient/{pid}"}
    family, given = rng.choice(FAMILY).split(), rng.choice(GIVEN).split()
    rep = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"

    def meta(kind):
        return {"profile": [PROFILE + kind], "lastUpdated": f"2026-{rng.randint(1, 10):02d}-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00+09:00"}

    def day():
        return f"20{rng.randint(10, 26)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"

    names = [{"use": "official", "text": f"{family[i]} {given[i]}", "family": family[i], "given": [given[i]], "extension": [{"url": rep, "valueCode": code}]} for i, code in ((0, "IDE"), (1, "SYL"))]
    mr = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    yield {"resourceType": "Patient", "id": pid, "meta": meta("Patient"), "identifier": [{"use": "usual", "type": mr, "system": SYSTEM, "value": f"{number:08d}"}], "name": names, "gender": rng.choice(["male", "female"]), "birthDate": f"19{rng.randint(25, 99)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}", "address": [{"text": f"神奈川県横須賀市栄{rng.randint(1, 9)}丁目{rng.randint(1, 30)}-{rng.randint(1, 20)}"}], "telecom": [{"system": "phone", "value": f"046-0{rng.randint(10, 99)}-{rng.randint(0, 9999):04d}"}]}
    for index in range(5):
        drug = rng.choice(DRUGS)
        yield {"resourceType": "AllergyIntolerance", "id": f"{pid}-a{index}", "meta": meta("AllergyIntolerance"), "clinicalStatus": concept("Active", "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"), "criticality": rng.choice(["low", "high"]), "code": concept(drug, "http://jpfhir.jp/fhir/core/CodeSystem/JP_JfagyMedicationAllergen_CS", f"{rng.randint(0, 999):03d}"), "patient": ref, "recordedDate": day()}
    for index in range(10):
        drug = DRUGS[index]
        yield {"resourceType": "MedicationRequest", "id": f"{pid}-m{index}", "meta": meta("MedicationRequest"), "status": "active", "intent": "order", "medicationCodeableConcept": concept(drug, "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code", f"{rng.randint(1000000, 9999999)}F{rng.randint(1000, 9999)}"), "subject": ref, "authoredOn": day(), "dosageInstruction": [{"text": f"{rng.choice([1, 2, 5, 10])}mg 1日{rng.randint(1, 3)}回 朝食後"}]}
    for index in range(8):
        yield {"resourceType": "Condition", "id": f"{pid}-c{index}", "meta": meta("Condition"), "clinicalStatus": concept("Active", "http://terminology.hl7.org/CodeSystem/condition-clinical", "active"), "code": concept(ILLS[index], "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full", f"I{rng.randint(10, 99)}"), "subject": ref, "onsetDateTime": day()}
    for index in range(20):
        yield {"resourceType": "Observation", "id": f"{pid}-o{index}", "meta": meta("Observation_LabResult"), "status": "final", "code": concept(TESTS[index], "urn:oid:1.2.392.200119.4.1005", f"3{index:04d}"), "subject": ref, "effectiveDateTime": day(), "valueQuantity": {"value": round(rng.uniform(1, 300), 1), "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}}
    for index in range(2):
        text = f"{day()} 診察。{rng.choice(ILLS)}にて通院中。血圧{rng.randint(100, 180)}/{rng.randint(60, 100)}。{rng.choice(DRUGS)}を継続。次回{rng.randint(2, 8)}週後。"
        yield {"resourceType": "DocumentReference", "id": f"{pid}-n{index}", "meta": meta("DocumentReference"), "status": "current", "docStatus": "final", "type": {"text": "経過記録"}, "subject": ref, "date": f"{day()}T10:00:00+09:00", "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}}]}


def run(command, **options):
    """Runs a command to its end; returns its JSON answer, wall and CPU seconds."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed: {out.decode()}")
    return json.loads(out), time.monotonic() - began, used.ru_utime + used.ru_stime


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("musubi")
    asked.add_argument("--records", type=int, default=10_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--json", action="store_true")
    asked = asked.parse_args()
    musubi = os.path.abspath(asked.musubi)
    work = tempfile.mkdtemp(prefix="musubi-bench-")
    try:
        figures = measure(musubi, work, asked)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if asked.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<44} {value:>14,.2f}" if isinstance(value, float) else f"{name:<44} {value:>14,}")


def measure(musubi, work, asked):
    rng, path, raw = random.Random(asked.seed), f"{work}/region.ndjson", 0
    with open(path, "w", encoding="utf-8") as file:
        for number in range(asked.records):
            for resource_ in record(rng, number):
                file.write(json.dumps(resource_, ensure_ascii=False, separators=(",", ":")) + "\n")
    raw = os.path.getsize(path)
    began = time.process_time()
    with open(path, "rb") as file:
        packed = len(gzip.compress(file.read(), 6))
    gzip_cpu = time.process_time() - began
    environment = {**os.environ, "MUSUBI_AUTHOR": "bench", "MUSUBI_ROLE": "import"}
    base = {"cwd": work, "env": environment}
    run([musubi, "realm", "create", "--realm", "r", "--name", "bench", "--json"], **base)
    for site in ("north", "south"):
        run([musubi, "realm", "enrol", "--realm", "r", "--site", site, "--kind", "hospital", "--device", site, "--role", "hospital", "--area", "shared/bench", "--store", site, "--json"], **base)
    imported, import_wall, import_cpu = run([musubi, "import", "--store", "north", path, "--json"], **base)
    assert imported["added"] == asked.records * 46, imported
    size = os.path.getsize(f"{work}/north/store.redb")
    with open(f"{work}/south.toml", "w") as file:
        file.write("store = 'south'\nlisten = '127.0.0.1:0'\n")
    server = subprocess.Popen([musubi, "serve", "south.toml", "--log", "error"], stdout=subprocess.PIPE, **base)
    server.stdout.readline()
    with open(f"{work}/south/control.json") as file:
        listen = json.load(file)["listen"]
    synced, sync_wall, north_cpu = run([musubi, "sync", "--store", "north", "--with", listen, "--json"], **base)
    again, _, again_cpu = run([musubi, "sync", "--store", "north", "--with", listen, "--json"], **base)
    with open(f"/proc/{server.pid}/status") as file:
        south_peak = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    server.terminate()
    _, _, used = os.wait4(server.pid, 0)
    south_cpu = used.ru_utime + used.ru_stime
    status, *_ = run([musubi, "status", "--store", "south", "--json"], **base)
    _, reimport_wall, reimport_cpu = run([musubi, "import", "--store", "south", path, "--json"], **base)
    exported, export_wall, _ = run([musubi, "export", "--store", "south", "--all", "--format", "ndjson", "--to", f"{work}/out", "--json"], **base)
    assert exported["resources"] == asked.records * 46, exported
    return {
        "records": asked.records,
        "resources": imported["added"],
        "FHIR as NDJSON, bytes a record": raw / asked.records,
        "floor: gzip -6 of it as one stream, MB": packed / 1e6,
        "floor: its CPU, s": gzip_cpu,
        "import, wall s": import_wall,
        "import, CPU s": import_cpu,
        "store file after import, bytes a record": size / asked.records,
        "first sync, entries": synced["sent"],
        "first sync, wall s": sync_wall,
        "first sync, payload both ways MB": (synced["bytes_sent"] + synced["bytes_received"]) / 1e6,
        "first sync, sender CPU s": north_cpu,
        "first sync, receiver CPU s (with indexing)": south_cpu,
        "receiver, peak MB": south_peak,
        "ingest, entries a wall second": synced["sent"] / (synced["took_ms"] / 1e3),
        "sync of equal replicas, payload bytes": again["bytes_sent"] + again["bytes_received"],
        "sync of equal replicas, CPU s": again_cpu,
        "import again, wall s": reimport_wall,
        "import again, CPU s": reimport_cpu,
        "export, wall s": export_wall,
        "records at the receiver": status["records"],
    }


if __name__ == "__main__":
    main()
