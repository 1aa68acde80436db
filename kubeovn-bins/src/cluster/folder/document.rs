//! One file's text: its documents as objects and probes, and what is wrong with the others.

use kubeovn_core::index::objects::{Kind, Object, ObjectKey};

use super::decode::{DecodeError, decode};
use super::names::{label_fault, subdomain_fault};
use super::rejected::{self as code, Rejected, Severity};
use super::schema::{self, Fault};
use super::yaml::{self, Node, Value, YamlError};
use crate::lab::manifest::{self, Probe};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// In the order of the file.
    pub(super) items: Vec<Item>,
    /// What has no effect.
    pub(super) rejected: Vec<Rejected>,
    /// Objects that are in the file, but not in a form in which they could be taken.
    pub(super) hidden: Vec<Hidden>,
}

/// An object or probe, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) content: Content,
}

/// An object that could not be read, and where it stands.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) place: Place,
    pub(super) key: ItemKey,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Among all objects of the file, in the order in which they are written, from 0.
    pub(super) position: u32,
    pub(super) line: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Object(Box<Object>),
    Probe(Probe),
}

/// What must not be defined twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ItemKey {
    Object(ObjectKey),
    Probe(String),
}

impl Item {
    pub(super) fn key(&self) -> ItemKey {
        match &self.content {
            Content::Object(object) => ItemKey::Object(object.key()),
            Content::Probe(probe) => ItemKey::Probe(probe.name.clone()),
        }
    }
}

impl ItemKey {
    /// The kind as manifests write it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Object(key) => key.kind.name(),
            Self::Probe(_) => manifest::KIND,
        }
    }

    /// The name, behind the namespace where there is one.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Object(key) => key.full_name(),
            Self::Probe(name) => name.clone(),
        }
    }
}

/// Reads a file.
///
/// # Errors
/// When the text is no YAML, so that nothing in it can be told.
pub(super) fn read(file: &str, text: &str) -> Result<Reading, YamlError> {
    let documents = yaml::parse(text)?;
    let mut reader = Reader { file, position: 0, reading: Reading::default() };
    for document in documents {
        reader.document(document, "", "");
    }
    Ok(reader.reading)
}

struct Reader<'a> {
    file: &'a str,
    position: u32,
    reading: Reading,
}

/// What a document is about, as far as it is known yet.
#[derive(Clone, Copy)]
struct About<'a> {
    kind: &'a str,
    name: &'a str,
}

/// What the kinds that are read become.
#[derive(Clone, Copy)]
enum Target {
    Object(Kind),
    Probe,
}

impl Reader<'_> {
    /// Reads a document. The items of a list may leave out what the list says of them all.
    fn document(&mut self, document: Node, list_version: &str, list_kind: &str) {
        if !matches!(document.value, Value::Map(_)) {
            let message = format!("this is {}, but an object is a mapping", document.value.kind());
            self.error(About { kind: "", name: "" }, document.line, code::OBJECT_INVALID, message);
            return;
        }
        let version = document.text("apiVersion").unwrap_or(list_version).to_owned();
        let kind = document.text("kind").unwrap_or(list_kind).to_owned();
        if version.is_empty() || kind.is_empty() {
            let name = document.get("metadata").and_then(|metadata| metadata.text("name")).unwrap_or("");
            let message = "an object needs apiVersion and kind, as texts".to_owned();
            self.error(About { kind: &kind, name }, document.line, code::OBJECT_INVALID, message);
            return;
        }
        if let (Some(item_kind), Some(items)) = (kind.strip_suffix("List"), document.get("items")) {
            let Value::List(items) = &items.value else {
                let message = format!("items is {}, must be array", items.value.kind());
                self.error(About { kind: &kind, name: "" }, items.line, code::FIELD_INVALID, message);
                return;
            };
            for item in items {
                self.document(item.clone(), if item_kind.is_empty() { "" } else { &version }, item_kind);
            }
            return;
        }
        let place = Place { position: self.position, line: document.line };
        self.position = self.position.saturating_add(1);
        match target(&version, &kind) {
            Ok(target) => self.object(document, &kind, target, place),
            Err(message) => {
                let name = document.get("metadata").and_then(|metadata| metadata.text("name")).unwrap_or("");
                self.reject(
                    Severity::Warning,
                    About { kind: &kind, name },
                    place.line,
                    code::KIND_UNKNOWN,
                    message,
                );
            }
        }
    }

    fn object(&mut self, mut document: Node, kind: &str, target: Target, place: Place) {
        let Some(key) = self.identity(&document, kind, target, place.line) else { return };
        let name = key.name();
        let about = About { kind, name: &name };
        let mut faults = Vec::new();
        schema::check_frame(&document, &mut faults);
        schema::check_spec(kind, &document, &mut faults);
        let mut sound = true;
        for Fault { line, message, unknown } in faults {
            if unknown {
                self.reject(Severity::Warning, about, line, code::FIELD_UNKNOWN, message);
            } else {
                sound = false;
                self.error(about, line, code::FIELD_INVALID, message);
            }
        }
        if let Target::Object(Kind::Vpc | Kind::Subnet) = target {
            // it is written by us alone, and an exported one must not keep its object from being read
            document.remove("status");
        }
        let content = match target {
            Target::Object(kind) => object(kind, &document).map(|object| Content::Object(Box::new(object))),
            Target::Probe => self.probe(&document, place, &name).map(Content::Probe),
        };
        match content {
            Ok(mut content) if sound => {
                if let (Content::Object(object), ItemKey::Object(key)) = (&mut content, &key) {
                    object.meta_mut().namespace = key.namespace.clone();
                }
                self.reading.items.push(Item { place, content });
            }
            outcome => {
                // a wrong type that the schema has told already is not told again
                if let (Err(error), true) = (outcome, sound) {
                    self.error(about, error.line, code::FIELD_INVALID, described(&error));
                }
                self.reading.hidden.push(Hidden { place, key });
            }
        }
    }

    /// The identity of an object, where it has a sound one.
    fn identity(&mut self, document: &Node, kind: &str, target: Target, line: u64) -> Option<ItemKey> {
        let metadata = document.get("metadata");
        let field = |name: &str| metadata.and_then(|metadata| metadata.get(name));
        let text = |field: Option<&Node>| match field {
            Some(Node { value: Value::Text(text), .. }) => Ok(Some(text.clone())),
            Some(other) => Err((other.line, other.value.kind())),
            None => Ok(None),
        };
        let (name, namespace) = match (text(field("name")), text(field("namespace"))) {
            (Ok(name), Ok(namespace)) => (name.unwrap_or_default(), namespace.unwrap_or_default()),
            (Err((line, found)), _) | (_, Err((line, found))) => {
                let message = format!(
                    "metadata.name and metadata.namespace must be strings, this is {found}: put it in quotes"
                );
                self.error(About { kind, name: "" }, line, code::FIELD_INVALID, message);
                return None;
            }
        };
        let about = About { kind, name: &name };
        if name.is_empty() {
            let message = "metadata.name is missing, and names are not generated here: add one".to_owned();
            self.error(about, line, code::NAME_MISSING, message);
            return None;
        }
        let name_line = field("name").map_or(line, |node| node.line);
        let fault = match target {
            Target::Object(Kind::Namespace) => label_fault(&name),
            _ => subdomain_fault(&name),
        };
        if let Some(fault) = fault {
            self.error(about, name_line, code::NAME_INVALID, format!("{name:?} is no valid name: {fault}"));
            return None;
        }
        let kind = match target {
            Target::Probe => return Some(ItemKey::Probe(name)),
            Target::Object(kind) => kind,
        };
        if !kind.namespaced() {
            if !namespace.is_empty() {
                let message = format!("a {} is in no namespace; remove metadata.namespace", about.kind);
                let line = field("namespace").map_or(line, |node| node.line);
                self.reject(Severity::Warning, about, line, code::FIELD_UNKNOWN, message);
            }
            return Some(ItemKey::Object(ObjectKey::cluster(kind, name)));
        }
        let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
        if let Some(fault) = label_fault(&namespace) {
            let line = field("namespace").map_or(line, |node| node.line);
            self.error(
                about,
                line,
                code::NAME_INVALID,
                format!("{namespace:?} is no valid namespace: {fault}"),
            );
            return None;
        }
        Some(ItemKey::Object(ObjectKey { kind, namespace: namespace.into(), name: name.into() }))
    }

    fn probe(&self, document: &Node, place: Place, name: &str) -> Result<Probe, DecodeError> {
        let Some(spec) = document.get("spec") else {
            return Err(DecodeError {
                line: place.line,
                path: "spec".to_owned(),
                message: "is missing".to_owned(),
            });
        };
        let spec = decode(spec).map_err(|error| {
            let dot = if error.path.is_empty() { "" } else { "." };
            DecodeError { path: format!("spec{dot}{}", error.path), ..error }
        })?;
        Ok(Probe { name: name.to_owned(), file: self.file.to_owned(), line: place.line, spec })
    }

    fn error(&mut self, about: About<'_>, line: u64, code: &'static str, message: String) {
        self.reject(Severity::Error, about, line, code, message);
    }

    fn reject(
        &mut self,
        severity: Severity,
        about: About<'_>,
        line: u64,
        code: &'static str,
        message: String,
    ) {
        self.reading.rejected.push(Rejected {
            file: self.file.to_owned(),
            line,
            severity,
            kind: about.kind.to_owned(),
            name: about.name.to_owned(),
            code,
            message,
        });
    }
}

fn described(error: &DecodeError) -> String {
    if error.path.is_empty() { error.message.clone() } else { format!("{}: {}", error.path, error.message) }
}

/// What the objects of a kind become, or why they become nothing.
fn target(version: &str, kind: &str) -> Result<Target, String> {
    let right = if kind == manifest::KIND {
        manifest::API_VERSION.to_owned()
    } else if let Some(&known) = Kind::ALL.iter().find(|known| known.name() == kind) {
        if known.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", known.group()) }
    } else {
        return Err(format!(
            "{version} {kind} is no kind that has an effect here; remove it, or mind its spelling"
        ));
    };
    if right != version {
        return Err(format!("there is no {kind} of {version}; write apiVersion: {right}"));
    }
    let known = Kind::ALL.iter().find(|known| known.name() == kind);
    Ok(known.map_or(Target::Probe, |known| Target::Object(*known)))
}

fn object(kind: Kind, node: &Node) -> Result<Object, DecodeError> {
    let object = match kind {
        Kind::Namespace => Object::Namespace(decode(node)?),
        Kind::Node => Object::Node(decode(node)?),
        Kind::Vpc => Object::Vpc(decode(node)?),
        Kind::Subnet => Object::Subnet(decode(node)?),
        Kind::Ip => Object::Ip(decode(node)?),
        Kind::Pod => Object::Pod(decode(node)?),
        Kind::IpPool => Object::IpPool(decode(node)?),
        Kind::StatefulSet => Object::StatefulSet(decode(node)?),
        Kind::VirtualMachine => Object::VirtualMachine(decode(node)?),
        Kind::VirtualMachineInstance => Object::VirtualMachineInstance(decode(node)?),
    };
    let created = node.get("metadata").and_then(|metadata| metadata.get("creationTimestamp"));
    match created {
        Some(created) if object.meta().created == 0 => Err(DecodeError {
            line: created.line,
            path: "metadata.creationTimestamp".to_owned(),
            message: "is no time; write it like 2026-03-01T12:00:00Z, or leave it out".to_owned(),
        }),
        _ => Ok(object),
    }
}
