//! What a signed note says of the draft that it was: which one, and what its signer saw of the chart.
//!
//! The names stand in an extension of the signed resource, so that they travel, are backed up and exported with it, and
//! every replica computes from facts and chart alone what was typed while it was being signed. Nothing here is trusted:
//! a name that the chart does not know says nothing.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use super::fhir;

/// The extension by which a signed note names its draft.
pub const DRAFT_URL: &str = "urn:musubi:extension:draft";
/// Most heads that are read: as many as a chart's change may depend on.
pub const HEADS_MAX: usize = 2_048;

/// The draft that a signed note was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDraft {
    /// The draft's name in the chart.
    pub note: String,
    /// The chart's heads that the signer saw.
    pub heads: Vec<[u8; 32]>,
    /// The change of the chart that took the signed characters out of the draft.
    pub taken: [u8; 32],
}

impl SignedDraft {
    /// Names the draft in a resource.
    pub fn write(&self, resource: &mut Map<String, Value>) {
        let heads: Vec<String> = self.heads.iter().map(|head| HEXLOWER.encode(head)).collect();
        let draft = json!({"url": DRAFT_URL, "extension": [
            {"url": "note", "valueString": self.note},
            {"url": "heads", "valueString": heads.join(" ")},
            {"url": "taken", "valueString": HEXLOWER.encode(&self.taken)},
        ]});
        let all = resource.entry("extension").or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(draft);
        }
    }

    /// Reads which draft a resource was; `None` if it names none, or not in this form.
    pub fn read(resource: &Value) -> Option<Self> {
        let mut all = fhir::items(resource, &["extension"]).iter();
        let draft = all.find(|one| one["url"] == DRAFT_URL)?;
        let value = |name: &str| {
            let mut parts = fhir::items(draft, &["extension"]).iter();
            parts.find(|one| one["url"] == name)?["valueString"].as_str()
        };
        let hash =
            |text: &str| -> Option<[u8; 32]> { HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok() };
        let heads = value("heads")?.split(' ').take(HEADS_MAX + 1).map(hash).collect::<Option<Vec<_>>>()?;
        let (note, taken) = (value("note")?.to_owned(), hash(value("taken")?)?);
        (heads.len() <= HEADS_MAX).then_some(Self { note, heads, taken })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_other_forms_are_none() {
        let signed = SignedDraft { note: "3f2a".into(), heads: vec![[1; 32], [2; 32]], taken: [3; 32] };
        let mut resource = Map::from_iter([("extension".to_owned(), json!([{"url": "x"}]))]);
        signed.write(&mut resource);
        let resource = Value::Object(resource);
        assert_eq!(SignedDraft::read(&resource), Some(signed));
        for broken in [
            json!({}),
            json!({"extension": "x"}),
            json!({"extension": [{"url": DRAFT_URL}]}),
            json!({"extension": [{"url": DRAFT_URL, "extension": [
                {"url": "note", "valueString": "n"}, {"url": "heads", "valueString": "zz"},
                {"url": "taken", "valueString": "00"}]}]}),
        ] {
            assert_eq!(SignedDraft::read(&broken), None, "{broken}");
        }
    }
}
