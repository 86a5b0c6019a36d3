//! One person, several records: ties that people write, the person's view, suggestions, and the unnamed.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::Rng as _;

use super::answer::{Linked, Suggested, SuggestedPair, SuggestedSide, Written};
use super::appending::UNCHECKED;
use super::core::{Append, Replica};
use super::environment::EnvironmentRng;
use super::error::ReplicaError;
use super::subject::{PersonFacts, Subject};
use super::writing::{Draft, Target, facts_entry, with_id};
use crate::base::limits::FOLLOWS_MAX;
use crate::base::{Area, Part, RecordId};
use crate::lane::EntryKind;
use crate::record::facts::Facts;
use crate::record::linking::tie::{self, linkage};
use crate::record::linking::traits::VALUES_MAX;
use crate::record::linking::unnamed::{self, AGE_MAX, CalledOut, FEATURES_CHARS_MAX, Unnamed};
use crate::record::linking::{
    Candidate, Commonness, Pair, PairState, PersonView, TieKind, Traits, candidates, candidates_of, person,
};
use crate::record::names::{SearchToken, TokenKind, name_token, tokens_of};
use crate::record::sections::demographics::{self, Person};
use crate::record::{Act, Author, FactsBody, Informant, Section, Statement, json, section_of};

/// Most people among whom doubles are looked for at once.
pub const SUGGEST_PEOPLE_MAX: usize = 1_000_000;
/// Most records that are compared with one.
pub const SUGGEST_NEAR_MAX: usize = 2_000;

impl Replica {
    /// Computes the view of the person whose record this is: all records that are linked with it, as far as they are
    /// held here; and how many entries cannot be read.
    ///
    /// # Errors
    /// When the store fails.
    pub fn person(&self, record: &RecordId) -> Result<(PersonView, u64), ReplicaError> {
        let facts = self.person_facts(record, None)?;
        Ok((self.person_of(record, &facts), facts.quarantined))
    }

    /// Computes the person's view from facts that are loaded.
    pub(super) fn person_of(&self, record: &RecordId, facts: &PersonFacts) -> PersonView {
        PersonView::viewed(*record, facts.held(), |facts| self.view(facts))
    }

    /// Writes what a person says of two records into both, in one commit; it follows what was said of them before.
    ///
    /// # Errors
    /// When the two are one record, there is no reason, nothing to undo, or the disk fails: then nothing was written.
    pub fn tie(
        &self,
        kind: TieKind,
        records: [RecordId; 2],
        reason: &str,
        author: Author,
    ) -> Result<Linked, ReplicaError> {
        let pair = Pair::new(records[0], records[1])
            .ok_or_else(|| ReplicaError::Call("a record is not linked with itself".into()))?;
        if reason.trim().is_empty() {
            return Err(ReplicaError::Call("a reason is needed: others must judge the link by it".into()));
        }
        let subjects = [pair.0, pair.1].map(|record| Subject::new(self, &record));
        let (one, other) = (subjects[0].facts()?.held(), subjects[1].facts()?.held());
        let held: BTreeMap<&RecordId, &Facts> = one.iter().chain(other).collect();
        let said = tie::ties(held.into_values()).remove(&pair);
        let was_joined = subjects[0].facts()?.records().into_iter().collect();
        if kind == TieKind::Unlink && said.as_ref().is_none_or(|tied| tied.state == PairState::Separate) {
            let what = "link between these two records".to_owned();
            return Err(ReplicaError::NothingToFollow { record: pair.0, what });
        }
        let mut follows = said.map(|tied| tied.follows).unwrap_or_default();
        follows.truncate(FOLLOWS_MAX);
        let statement = Statement {
            act: kind.act(),
            informant: Informant::Clinician,
            follows,
            reason: Some(reason.trim().to_owned()),
            resource: with_id(&linkage(kind, pair, &author.name), &self.fresh_id())?,
        };
        let areas = [(pair.0, self.area_of(&pair.0)?), (pair.1, self.area_of(&pair.1)?)];
        let mut knowing = self.areas_seen(&subjects[0])?;
        knowing.extend(self.areas_seen(&subjects[1])?);
        let may_write = |area: &Area| self.me().device_certificate.covers(area, Part::Card);
        let mut inner = self.lock();
        let time = inner.clock.tick(self.environment().now());
        let mut appends = Vec::new();
        for (record, area) in areas.into_iter().filter(|(_, area)| may_write(area)) {
            let entry = facts_entry(self, record, time, author.clone(), None, vec![statement.clone()])?;
            appends.push(Append { area, part: Part::Card, entries: vec![entry], knowing: knowing.clone() });
        }
        if appends.is_empty() {
            return Err(ReplicaError::NoArea);
        }
        let written_into = appends.len();
        self.append_locked(&mut inner, appends)?;
        drop(inner);
        let written_into = written_into as u64;
        let (state, joined, warnings) = self.tied_now(kind, pair, was_joined);
        let (records, time) = ([pair.0, pair.1], time.wall());
        Ok(Linked { records, said: kind, state, joined, written_into, time, warnings })
    }

    /// Tells how a pair stands after somebody spoke on it, which is durable: where it cannot be read back, what was said
    /// and what was joined before.
    fn tied_now(
        &self,
        kind: TieKind,
        pair: Pair,
        was_joined: Vec<RecordId>,
    ) -> (PairState, Vec<RecordId>, Vec<String>) {
        match self.person(&pair.0) {
            Ok((person, _)) => {
                let state = person.ties.iter().find(|tied| tied.pair == pair).map(|tied| tied.state);
                let warnings = tie_warnings(&person, kind, pair);
                (state.unwrap_or(PairState::Separate), person.records, warnings)
            }
            Err(error) => {
                tracing::warn!(%error, "what was written of two records could not be checked");
                let state = match kind {
                    TieKind::Link => PairState::Joined,
                    TieKind::NotSame => PairState::Apart,
                    TieKind::Unlink => PairState::Separate,
                };
                (state, was_joined, vec![UNCHECKED.to_owned()])
            }
        }
    }

    /// Lists probable doubles: of one record by the search index, or among all people that this store knows. Pairs on
    /// which people have spoken are left out. Nothing is written.
    ///
    /// # Errors
    /// When the store fails, or it holds more people than are compared at once.
    pub fn suggest(&self, record: Option<RecordId>, limit: usize) -> Result<Suggested, ReplicaError> {
        let (people, known, aim) = match record {
            Some(record) => {
                let (people, known) = self.near(record)?;
                (people, known, Some(record))
            }
            None => {
                let people = self.everybody()?;
                let known = Commonness::of(people.values());
                (people, known, None)
            }
        };
        let (ids, traits): (Vec<RecordId>, Vec<Traits>) = people.into_iter().unzip();
        let (found, compared) = match (aim, aim.and_then(|aim| ids.iter().position(|id| *id == aim))) {
            (_, Some(at)) => (candidates_of(at, &traits, &known), ids.len().saturating_sub(1) as u64),
            (Some(_), None) => (Vec::new(), 0),
            (None, None) => {
                let (found, pairs) = candidates(&traits, &known);
                (found, pairs.compared)
            }
        };
        let (mut pairs, mut more) = (Vec::new(), false);
        for Candidate { a, b, score, compared, third, rival } in found {
            if self.is_settled(ids[a], ids[b])? {
                continue;
            }
            if pairs.len() == limit {
                more = true;
                break;
            }
            pairs.push(SuggestedPair {
                sides: [side_of(self, ids[a])?, side_of(self, ids[b])?],
                verdict: score.verdict(),
                probability: score.probability,
                told: score.told(),
                evidence: score.evidence(&compared, &traits[a], &traits[b], &known),
                third: third.map(|third| side_of(self, ids[third])).transpose()?,
                rival: rival.map(|rival| side_of(self, ids[rival])).transpose()?,
            });
        }
        Ok(Suggested { pairs, people: ids.len() as u64, compared, more })
    }

    /// Registers a person who cannot say who they are, under a generated name.
    ///
    /// # Errors
    /// When what is given makes no sense, the device may not write in the area, or the disk fails.
    pub fn register_unnamed(
        &self,
        known: &Unnamed,
        area: Option<Area>,
        author: Author,
    ) -> Result<(CalledOut, Written), ReplicaError> {
        if known.age.is_some_and(|(low, high)| low > high || high > AGE_MAX) {
            return Err(ReplicaError::Call(format!("an estimated age is FROM-TO, at most {AGE_MAX}")));
        }
        if known.features.as_ref().is_some_and(|text| text.chars().count() > FEATURES_CHARS_MAX) {
            return Err(ReplicaError::Call(format!(
                "features are longer than {FEATURES_CHARS_MAX} characters"
            )));
        }
        let area = area.map_or_else(|| self.default_area(), Ok)?;
        let (mut id, mut random) = ([0; 16], [0; 8]);
        let mut rng = EnvironmentRng(self.environment());
        rng.fill_bytes(&mut id);
        rng.fill_bytes(&mut random);
        let (record, name) = (RecordId(id), CalledOut::of(random));
        let draft = Draft {
            act: Act::Assert,
            informant: Informant::Observed,
            follows: Vec::new(),
            reason: None,
            resource: unnamed::patient(&record, &name, known),
        };
        let target = Target { record, area, author };
        Ok((name, self.state(&Subject::new(self, &record), target, draft)?))
    }

    /// Names in a resource the records that are joined with the one that it is written into.
    pub(super) fn written_in_view(
        &self,
        subject: &Subject<'_>,
        into: &RecordId,
        resource: String,
    ) -> Result<String, ReplicaError> {
        let records = subject.tied()?.map(PersonFacts::records).unwrap_or_default();
        let others: Vec<RecordId> = records.into_iter().filter(|other| other != into).collect();
        if others.is_empty() && !resource.contains(person::WRITTEN_IN_URL) {
            return Ok(resource);
        }
        let mut value: serde_json::Value = serde_json::from_str(&resource).unwrap_or_default();
        person::written_in(&mut value, &others);
        json::canonical(&value.to_string())
            .map_err(|error| ReplicaError::Call(format!("the resource: {error}")))
    }

    /// Says whether people have spoken on a pair, so that it is not suggested.
    fn is_settled(&self, a: RecordId, b: RecordId) -> Result<bool, ReplicaError> {
        if self.linked_entries(&a)?.is_empty() {
            return Ok(false);
        }
        let (person, _) = self.person(&a)?;
        let pair = Pair::new(a, b);
        let spoken =
            person.ties.iter().any(|tied| Some(tied.pair) == pair && tied.state != PairState::Separate);
        Ok(spoken || person.records.contains(&b))
    }

    /// The people who share a search token with one, and how common its names are here.
    fn near(&self, record: RecordId) -> Result<(BTreeMap<RecordId, Traits>, Commonness), ReplicaError> {
        let traits = |record: &RecordId| -> Result<Traits, ReplicaError> {
            let (facts, _) = self.facts_in(record, Some(Part::Card))?;
            Ok(Traits::of_demographics(&demographics::view(&facts).0))
        };
        let own = traits(&record)?;
        let mut people = BTreeMap::from([(record, own.clone())]);
        let mut tokens = BTreeSet::new();
        for fact in self.facts_in(&record, Some(Part::Card))?.0.iter() {
            if section_of(&fact.resource_type) == Section::Demographics {
                // What is written so stands under what it sounds like as well.
                let found = tokens_of(&fact.resource_type, &fact.json()).into_iter();
                tokens.extend(found.filter(|token| token.kind != TokenKind::Written));
            }
        }
        // Beginnings of names and dates are shared by too many: only the longest tokens, which are whole, count.
        let is_prefix = |token: &SearchToken| {
            let longer =
                |other: &SearchToken| other.kind == token.kind && other.text.len() > token.text.len();
            tokens.iter().any(|other| longer(other) && other.text.starts_with(&token.text))
        };
        let has_prefixes = |token: &SearchToken| matches!(token.kind, TokenKind::Name | TokenKind::Birth);
        let telling = tokens.iter().filter(|token| !has_prefixes(token) || !is_prefix(token));
        let mut near = BTreeSet::new();
        for token in telling {
            near.extend(self.records_with(std::slice::from_ref(token))?);
        }
        for other in near.into_iter().filter(|other| *other != record).take(SUGGEST_NEAR_MAX) {
            people.insert(other, traits(&other)?);
        }
        let count = |text: &str| -> u32 {
            self.entries_with(&name_token(text))
                .map_or(0, |found| u32::try_from(found.len()).unwrap_or(u32::MAX))
        };
        let known = Commonness::counted(self.count_all()?, &own, count);
        Ok((people, known))
    }

    /// All people whom this store knows, by what any of their registrations says.
    fn everybody(&self) -> Result<BTreeMap<RecordId, Traits>, ReplicaError> {
        let mut people: BTreeMap<RecordId, Vec<Person>> = BTreeMap::new();
        self.scan(|name, _, entry| {
            if name.part != Part::Card || entry.kind != EntryKind::FACTS {
                return;
            }
            let Ok(body) = FactsBody::from_bytes(&entry.body) else { return };
            for statement in body.statements.iter().filter(|statement| statement.act != Act::Refute) {
                let [kind] = json::top_strings(&statement.resource, ["resourceType"]).unwrap_or_default();
                let kind = kind.unwrap_or_default();
                if section_of(&kind) == Section::Demographics {
                    let resource = serde_json::from_str(&statement.resource).unwrap_or_default();
                    let said = people.entry(body.record).or_default();
                    if said.len() < VALUES_MAX {
                        said.push(Person::read(&kind, &resource));
                    }
                }
            }
        })?;
        if people.len() > SUGGEST_PEOPLE_MAX {
            let message =
                format!("more than {SUGGEST_PEOPLE_MAX} people: name one record to look for its doubles");
            return Err(ReplicaError::Call(message));
        }
        Ok(people.into_iter().map(|(record, said)| (record, Traits::of_people(said))).collect())
    }
}

fn side_of(replica: &Replica, record: RecordId) -> Result<SuggestedSide, ReplicaError> {
    let (facts, _) = replica.facts_in(&record, Some(Part::Card))?;
    let (who, _) = demographics::view(&facts);
    let names: Vec<&str> = who.names.iter().map(|name| name.full.as_str()).collect();
    let words =
        [names.join(" / "), who.birth_dates.join(" ‖ "), who.sexes.join(" ‖ "), who.addresses.join("; ")];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    Ok(SuggestedSide { record, who: words.join(", ") })
}

fn tie_warnings(person: &PersonView, kind: TieKind, pair: Pair) -> Vec<String> {
    let mut warnings = Vec::new();
    if kind != TieKind::Link && person.records.contains(&pair.0) && person.records.contains(&pair.1) {
        warnings.push("他のリンクを通じてまだ統合されています / still joined through other links".to_owned());
    }
    if kind != TieKind::Link && !person.written_together.is_empty() {
        let count = person.written_together.len();
        warnings.push(format!(
            "統合表示のまま書かれた記載が{count}件あります。見直してください / {count} statements were written while joined: look through them (musubi show)"
        ));
    }
    if !person.decide.is_empty() {
        warnings.push(
            "主張が対立しています。判断が必要です / contradicting statements: a decision is needed"
                .to_owned(),
        );
    }
    let view = &person.view;
    let open =
        view.conflicts.iter().filter(|conflict| conflict.open).map(|conflict| conflict.summary.clone());
    warnings.extend(view.alerts.iter().map(|alert| alert.why.line()).chain(open));
    warnings
}
