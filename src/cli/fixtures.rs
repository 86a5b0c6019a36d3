//! An engine for tests: remembers what it was asked, and answers what it was told to.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::Value;

use super::args::{Cli, Context};
use super::engine::{
    Backend, Drill, DrillCompare, DrillSwarm, DrillTold, Engine, OnProgress, Restore, Serving,
};
use super::failure::Failure;
use super::key::KeyChoice;
use super::outcome::{Outcome, Output};
use super::text::Paper;
use crate::base::WallMs;
use crate::replica::config::ReplicaConfig;
use crate::replica::realm::NewDevice;
use crate::replica::request::Request;

/// The wall clock of the tests: 2026-09-21 14:13 UTC.
pub const NOW: WallMs = WallMs(1_790_000_000_000);

/// What an engine was asked.
#[derive(Debug)]
pub enum Asked {
    Open(PathBuf, KeyChoice),
    Request(Request),
    CreateStore(PathBuf, KeyChoice, NewDevice),
    Serve(ReplicaConfig, KeyChoice),
    Restore(Restore),
    Drill(Drill),
    Compare(DrillCompare),
    Swarm(DrillSwarm),
    Door(std::net::SocketAddr),
}

/// An engine that answers one thing.
pub struct Fake {
    answer: Value,
    asked: Rc<RefCell<Vec<Asked>>>,
    /// What creating a store refuses with.
    pub refuses: Option<Failure>,
}

impl Fake {
    /// Makes an engine that answers this, whatever it is asked.
    pub fn answering(answer: Value) -> Self {
        Self { answer, asked: Rc::default(), refuses: None }
    }

    /// Runs a command line, with the program's name left out.
    pub fn run(&self, words: &[&str]) -> Result<Outcome, Failure> {
        let cli = Cli::try_parse_from([&["musubi"], words].concat())
            .map_err(|error| Failure::wrong_call(error.to_string()))?;
        cli.command.run(&Context {
            engine: self,
            progress: Arc::new(|_| {}),
            paper: Paper { width: None, now: NOW },
            passphrase: None,
            json: cli.global.json,
        })
    }

    /// Takes what was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.take()
    }

    /// Takes the one request that was asked.
    pub fn request(&self) -> Request {
        let requests = self.asked().into_iter().filter_map(|asked| match asked {
            Asked::Request(request) => Some(request),
            _ => None,
        });
        let [request] = requests.collect::<Vec<_>>().try_into().expect("one request");
        request
    }

    fn told(&self) -> DrillTold {
        let json = self.answer.clone();
        DrillTold { text: "told".into(), passed: json["passed"] == true, json }
    }

    fn tell(&self, asked: Asked) {
        self.asked.borrow_mut().push(asked);
    }
}

/// Returns the text of an outcome.
pub fn text(outcome: &Outcome) -> &str {
    match &outcome.output {
        Output::Answer { text, .. } | Output::Document(text) => text,
        Output::Nothing => "",
    }
}

struct FakeBackend {
    answer: Value,
    asked: Rc<RefCell<Vec<Asked>>>,
}

impl Backend for FakeBackend {
    fn ask(&self, request: Request, _progress: &OnProgress) -> Result<Value, Failure> {
        if let Request::Export { to, .. } = &request
            && let Some(document) = self.answer.get("document").and_then(Value::as_str)
        {
            std::fs::write(to, document).unwrap();
        }
        self.asked.borrow_mut().push(Asked::Request(request));
        Ok(self.answer.clone())
    }
}

impl Engine for Fake {
    fn open(&self, store: &Path, key: &KeyChoice) -> Result<Box<dyn Backend>, Failure> {
        self.tell(Asked::Open(store.to_owned(), key.clone()));
        Ok(Box::new(FakeBackend { answer: self.answer.clone(), asked: self.asked.clone() }))
    }

    fn create_store(&self, store: &Path, key: &KeyChoice, device: NewDevice) -> Result<(), Failure> {
        self.tell(Asked::CreateStore(store.to_owned(), key.clone(), device));
        self.refuses.clone().map_or(Ok(()), Err)
    }

    fn serve(
        &self,
        config: ReplicaConfig,
        key: &KeyChoice,
        ready: &mut dyn FnMut(&Serving),
    ) -> Result<(), Failure> {
        ready(&Serving {
            realm: "三浦".into(),
            site: "North".into(),
            device: "north-1".into(),
            listen: config.listen,
        });
        self.tell(Asked::Serve(config, key.clone()));
        Ok(())
    }

    fn restore(&self, wanted: Restore, _progress: &OnProgress) -> Result<Value, Failure> {
        self.tell(Asked::Restore(wanted));
        Ok(self.answer.clone())
    }

    fn drill(&self, wanted: Drill, _progress: &OnProgress) -> Result<Value, Failure> {
        self.tell(Asked::Drill(wanted));
        Ok(self.answer.clone())
    }

    fn drill_compare(&self, wanted: DrillCompare, _progress: &OnProgress) -> Result<DrillTold, Failure> {
        self.tell(Asked::Compare(wanted));
        Ok(self.told())
    }

    fn drill_door(&self, listen: std::net::SocketAddr) -> Result<(), Failure> {
        self.tell(Asked::Door(listen));
        Ok(())
    }

    fn drill_swarm(&self, wanted: DrillSwarm, _progress: &OnProgress) -> Result<DrillTold, Failure> {
        self.tell(Asked::Swarm(wanted));
        Ok(self.told())
    }
}
