//! Consents that a person enters: resuscitation, sharing, backup. JP Core has no profile of Consent: base R4.

use serde_json::json;

use super::{TERMINOLOGY, fhir_time, finish, put, reference, resource};
use crate::base::{RecordId, WallMs};
use crate::record::sections::consent::{ConsentKind, ConsentLevel};
use crate::record::sections::registry::{
    CONSENT_CATEGORY_SYSTEM, FOR_RESUSCITATION, MUSUBI_SYSTEM, NOT_FOR_RESUSCITATION, SNOMED,
};
use crate::record::sections::resuscitation::Order;

/// R4, constraint ppc-1: a Consent names a policy or a rule. In a disaster oral consent is enough, with the name of
/// who confirmed it.
const RULE: &str = "口頭で確認 (confirmed orally)";

/// Builds a resuscitation status: a Consent of scope `adr`, category `dnr`, with the SNOMED CT finding.
pub fn resuscitation(record: &RecordId, time: WallMs, author: &str, order: Order) -> String {
    let (kind, code, display) = match order {
        Order::Attempt => ("permit", FOR_RESUSCITATION, "For resuscitation"),
        Order::DoNotAttempt => ("deny", NOT_FOR_RESUSCITATION, "Not for resuscitation"),
    };
    let mut resource = resource("Consent");
    let scope = json!({"coding": [{"system": format!("{TERMINOLOGY}/consentscope"), "code": "adr"}]});
    let category = json!([{"coding": [{"system": CONSENT_CATEGORY_SYSTEM, "code": "dnr"}]}]);
    let finding = json!([{"coding": [{"system": SNOMED, "code": code, "display": display}]}]);
    put(&mut resource, "status", Some(json!("active")));
    put(&mut resource, "scope", Some(scope));
    put(&mut resource, "category", Some(category));
    put(&mut resource, "patient", Some(reference(record)));
    put(&mut resource, "dateTime", Some(json!(fhir_time(time))));
    put(&mut resource, "performer", Some(json!([{"display": author}])));
    put(&mut resource, "policyRule", Some(json!({"text": RULE})));
    put(&mut resource, "provision", Some(json!({"type": kind, "code": finding})));
    finish(resource)
}

/// Builds a consent to sharing or to the backup: a Consent of scope `patient-privacy`; `limits` says in words what a
/// limited one allows.
pub fn consent(
    record: &RecordId,
    time: WallMs,
    author: &str,
    kind: ConsentKind,
    level: ConsentLevel,
    limits: Option<&str>,
) -> String {
    let scope = match kind {
        ConsentKind::Sharing | ConsentKind::Backup => "patient-privacy",
        ConsentKind::Research => "research",
        ConsentKind::Other => "treatment",
    };
    let provision = match level {
        ConsentLevel::Withdrawn => json!({"type": "deny"}),
        // What is permitted is the exception of what is denied; which, the rule says in words.
        ConsentLevel::Limited => json!({"type": "permit", "provision": [{"type": "deny"}]}),
        ConsentLevel::Permitted => json!({"type": "permit"}),
    };
    let mut resource = resource("Consent");
    let coding = json!({"system": MUSUBI_SYSTEM, "code": kind.name()});
    put(&mut resource, "status", Some(json!("active")));
    let scope = json!({"coding": [{"system": format!("{TERMINOLOGY}/consentscope"), "code": scope}]});
    put(&mut resource, "scope", Some(scope));
    put(&mut resource, "category", Some(json!([{"coding": [coding]}])));
    put(&mut resource, "patient", Some(reference(record)));
    put(&mut resource, "dateTime", Some(json!(fhir_time(time))));
    put(&mut resource, "performer", Some(json!([{"display": author}])));
    put(&mut resource, "policyRule", Some(json!({"text": limits.unwrap_or(RULE)})));
    put(&mut resource, "provision", Some(provision));
    finish(resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::is_canonical;
    use crate::record::sections::{Section, place_of};

    #[test]
    fn what_is_built_is_canonical_and_comes_back_to_its_section() {
        let (record, time) = (RecordId([0xAB; 16]), WallMs(1_795_000_000_000));
        let asked =
            consent(&record, time, "佐藤", ConsentKind::Backup, ConsentLevel::Limited, Some("県内のみ"));
        for (built, section) in [
            (resuscitation(&record, time, "佐藤", Order::Attempt), Section::Resuscitation),
            (asked, Section::Consent),
        ] {
            assert!(is_canonical(&built), "{built}");
            assert_eq!(place_of("Consent", &built).section, section, "{built}");
        }
    }
}
