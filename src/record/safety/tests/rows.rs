//! Rows of the demonstration table, each with near misses that must not alert.
//!
//! The expectations were written by hand from what the rules are about, not read from the table: a changed table, or a
//! check that passes a row over, fails here.

use super::support::{Chart, NOW, allergy, allergy_as, order, order_as, order_until};
use crate::record::safety::{Alert, AlertKind, Checker, Severity, check_together};

const X: Severity = Severity::Contraindicated;
const C: Severity = Severity::Caution;

/// Two drugs, how bad it is, and a code that differs from the second's by one digit and must not alert.
type Pair = (&'static str, &'static str, Severity, &'static str);

const DRUGS: [Pair; 44] = [
    // Warfarin: oral miconazole gel, injected, buccal; iguratimod; vitamin K; capecitabine.
    ("3332001F1024", "6290003X1039", X, "6290008X1039"),
    ("3332001F1024", "6290400A1020", X, "6290409A1020"),
    ("3332001F1024", "6290704L1020", X, "6290705L1020"),
    ("3332001F1024", "3999031F1023", X, "3999033F1023"),
    ("3332001F1024", "3160002M2028", X, "3160003M2028"),
    ("3332001F1024", "4223005F1030", C, "4223006F1030"),
    ("4229101M1025", "4223005F1030", X, "4223009F1030"),
    ("4229101M1025", "4223401A1020", X, "4223409A1020"),
    // Azoles, macrolides and antivirals with what CYP3A breaks down.
    ("6290004F1070", "1124007F2026", X, "1124009F2026"),
    ("6290002M1020", "1124007F2026", X, "1124009F2026"),
    ("6179001F1020", "1124007F2026", X, "1124009F2026"),
    ("6250011F1020", "1124007F2026", X, "1124009F2026"),
    ("6250120X1020", "1124007F2026", X, "1124009F2026"),
    ("6250052F1020", "1124007F2026", X, "1124009F2026"),
    ("6290004M1029", "2189011F1020", X, "2189010F1020"),
    ("6290003X1039", "2189011F1020", X, "2189018F1020"),
    ("6250113F1020", "2189015F2020", X, "2189016F2020"),
    ("3999004M1020", "2189017F2029", X, "2189018F2029"),
    ("6149003F2038", "1190023F1024", X, "1190026F1024"),
    ("6290004F1070", "1190023F2020", X, "1190026F2020"),
    ("6179001F1020", "1179022F1020", X, "1179021F1020"),
    ("6149003F2038", "1179022F1020", X, "1179021F1020"),
    ("6290004F1070", "2149043F1020", X, "2149042F1020"),
    ("6290004F1070", "2149045F1020", X, "2149046F1020"),
    // Fluvoxamine.
    ("1179039F2032", "1249010F1026", X, "1249009F1026"),
    ("1179039F2032", "1190016F1020", X, "1190018F1020"),
    ("1179039F2032", "1179022F1020", X, "1179021F1020"),
    // Valproate and carbapenems.
    ("1139004G2063", "6139400D2030", X, "6139409D2030"),
    ("1139004G2063", "6139501D1020", X, "6139503D1020"),
    ("1139004G2063", "6139002C1020", X, "6139008C1020"),
    // Nitrates and nitric oxide with sildenafil, tadalafil, riociguat.
    ("2590018F1020", "2171018K1039", X, "2171022K1039"),
    ("2590018F1020", "2171017F2024", X, "2171014F2024"),
    ("2590016F2027", "2171018K1039", X, "2171022K1039"),
    ("2190028F1020", "2171023F1020", X, "2171022F1020"),
    ("2190034F1027", "2590018F1020", X, "2590019F1020"),
    // Monoamine oxidase inhibitors.
    ("1169010F2020", "1149117F1020", X, "1149118F1020"),
    ("1169010F2020", "1149038M1020", X, "1149036M1020"),
    ("1169017F1020", "1179052M1020", X, "1179058M1020"),
    ("1169010F2020", "1179046F1020", X, "1179047F1020"),
    // Heart: a class of four characters, aliskiren, potassium.
    ("2190041F2023", "2144002F2020", X, "2145002F2020"),
    // Duplicate classes.
    ("2189017F2029", "2189015F2020", C, "2189018F2020"),
    ("2329023F1020", "2329028F1020", C, "2329021F1020"),
    ("1149019F1560", "1149037F1020", C, "1149033F1020"),
    ("1124007F2026", "1124009F1029", C, "1129009F1029"),
];

/// What the patient is allergic to, a drug, how bad it is, and a neighbour of the drug's code.
const ALLERGIES: [Pair; 33] = [
    ("ペニシリン", "6131001M1088", X, "6130001M1088"),
    ("ペニシリン系", "6139100F2044", X, "6139109F2044"),
    ("penicillin", "6139504F1020", X, "6139509F1020"),
    ("6131001M1088", "6131403D1047", X, "6136403D1047"),
    ("サワシリン", "6132401D1020", C, "6135401D1020"),
    ("アモキシシリン", "6139400D2030", C, "6139407D2030"),
    ("セフェム系", "6132419D1020", C, "6142419D1020"),
    ("セフェム", "6131001M1088", C, "6130001M1088"),
    ("アスピリン", "1149019F1560", X, "1149018F1560"),
    ("ＮＳＡＩＤｓ", "1149037F1020", X, "1149036F1020"),
    ("aspirin", "1147002F1020", X, "1147003F1020"),
    ("1143001X1066", "2649735S1028", X, "2649736S1028"),
    ("バイアスピリン", "3399007H1021", X, "3399009H1021"),
    ("アスピリン喘息", "1141007F1020", C, "1141008F1020"),
    ("サルファ剤", "6290100F2115", X, "6290101F2115"),
    ("sulfonamide", "2139005F1020", X, "2139006F1020"),
    ("Sulfa drugs - rash", "2132004F1020", X, "2132009F1020"),
    ("造影剤", "7219412A1020", X, "7218412A1020"),
    ("ヨード造影剤", "7219415A1020", X, "7229415A1020"),
    ("ガドリニウム", "7290416A1020", X, "7290418A1020"),
    ("マクロライド系", "6149003F2038", C, "6149009F2038"),
    ("ミノマイシン", "6152005F1020", X, "6152009F1020"),
    ("キノロン", "6241013F1020", C, "6242013F1020"),
    ("ダラシン", "6112001M2038", X, "6113001M2038"),
    ("バンコマイシン", "6119401D1020", C, "6119402D1020"),
    ("キシロカイン", "1214400A1020", X, "1215400A1020"),
    ("牛乳", "2312001X1020", X, "2312002X1020"),
    ("ミルク", "3259109S1020", X, "3259101S1020"),
    ("卵タンパク", "1119402A1020", C, "1119403A1020"),
    ("大豆", "3299505A1020", C, "3299506A1020"),
    ("テグレトール", "1132002F1020", C, "1132009F1020"),
    ("ピリン系", "1144005X1020", X, "1145005X1020"),
    ("ヘパリン起因性血小板減少症", "3334401A1020", X, "3339401A1020"),
];

fn alerts(chart: &Chart) -> Vec<Alert> {
    check_together(&[&chart.facts(1, false)], &Checker::demonstration(), NOW).alerts
}

fn one(alerts: &[Alert], row: &Pair, kinds: &[AlertKind]) {
    let said: Vec<String> = alerts.iter().map(|alert| alert.why.line()).collect();
    let [alert] = alerts else { panic!("{row:?}: {said:?}") };
    assert!(kinds.contains(&alert.kind), "{row:?}: {said:?}");
    assert_eq!(alert.severity, row.2, "{row:?}: {said:?}");
    assert!(!alert.why.ja.is_empty() && !alert.why.en.is_empty());
    assert_eq!(alert.statements.len(), 2, "{row:?}");
    assert!(alert.apart && alert.witnesses.len() == 2, "{row:?}");
}

#[test]
fn drugs_that_must_not_meet_alert_in_either_order_and_near_misses_do_not() {
    for row in &DRUGS {
        let (a, b, _, neighbour) = row;
        let kinds = [AlertKind::DrugDrug, AlertKind::DuplicateClass];
        one(&alerts(&Chart::default().with(1, order(a)).with(2, order(b))), row, &kinds);
        one(&alerts(&Chart::default().with(1, order(b)).with(2, order(a))), row, &kinds);
        one(&alerts(&Chart::default().with(1, order(&a[..7])).with(2, order_as(b, "on-hold"))), row, &kinds);
        let quiet = [
            order(neighbour),
            order_as(b, "stopped"),
            order_as(b, "entered-in-error"),
            order_as(b, "cancelled"),
            order_as(b, "draft"),
            order_until(b, "active", "2026-10-31"),
            order_until(b, "completed", "2026-11-18"),
        ];
        for near in quiet {
            let found = alerts(&Chart::default().with(1, order(a)).with(2, near.clone()));
            assert!(found.is_empty(), "{row:?}: {near}: {}", found[0].why.line());
        }
    }
}

#[test]
fn allergies_alert_by_ingredient_class_and_food_and_near_misses_do_not() {
    for row in &ALLERGIES {
        let (substance, drug, _, neighbour) = row;
        let chart = |allergy, order| Chart::default().with(1, allergy).with(2, order);
        one(&alerts(&chart(allergy(substance), order(drug))), row, &[AlertKind::DrugAllergy]);
        one(
            &alerts(&chart(allergy_as(substance, "active", "unconfirmed"), order(drug))),
            row,
            &[AlertKind::DrugAllergy],
        );
        let quiet = [
            chart(allergy(substance), order(neighbour)),
            chart(allergy(substance), order_as(drug, "stopped")),
            chart(allergy_as(substance, "active", "refuted"), order(drug)),
            chart(allergy_as(substance, "active", "entered-in-error"), order(drug)),
            chart(allergy_as(substance, "resolved", "confirmed"), order(drug)),
        ];
        for (number, near) in quiet.iter().enumerate() {
            let found = alerts(near);
            assert!(found.is_empty(), "{row:?}: {number}: {}", found[0].why.line());
        }
    }
}

#[test]
fn the_rows_named_as_no_rule_stay_silent() {
    for (substance, drug) in [
        ("えび", "7219412A1020"),
        ("ペニシリン", "6122400D1020"),
        ("牛乳", "2316004B1020"),
        ("ピリン系", "1141007F1020"),
        ("アスピリン", "8114003X1020"),
        ("花粉", "1149019F1560"),
    ] {
        let found = alerts(&Chart::default().with(1, allergy(substance)).with(2, order(drug)));
        assert!(found.is_empty(), "{substance} {drug}: {}", found[0].why.line());
    }
}
