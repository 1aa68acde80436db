//! Which subnets and VPCs name a namespace, or select it by labels: asked for every pod that is settled.

use std::collections::{BTreeMap, BTreeSet};

use crate::index::{
    objects::{Labels, Name, Subnet, Vpc},
    selectors::Selectors,
};

/// Bindings by namespace.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    subnets: Named,
    vpcs: Named,
    /// A subnet can have several selectors, of which one must match.
    selectors: Selectors<(Name, usize), Name>,
}

impl Bindings {
    pub(super) fn set_subnet(&mut self, old: Option<&Subnet>, new: &Subnet) {
        let before = old.map_or(&[][..], |old| &old.spec.namespaces);
        self.subnets.set(&new.meta.name, before, &new.spec.namespaces);
        let selectors = &new.spec.namespace_selectors;
        for (number, selector) in selectors.iter().enumerate() {
            self.selectors.set_selector(&(new.meta.name.clone(), number), selector);
        }
        for number in selectors.len()..old.map_or(0, |old| old.spec.namespace_selectors.len()) {
            self.selectors.remove_selector(&(new.meta.name.clone(), number));
        }
    }

    pub(super) fn remove_subnet(&mut self, old: &Subnet) {
        self.subnets.set(&old.meta.name, &old.spec.namespaces, &[]);
        for number in 0..old.spec.namespace_selectors.len() {
            self.selectors.remove_selector(&(old.meta.name.clone(), number));
        }
    }

    pub(super) fn set_vpc(&mut self, name: &Name, old: Option<&Vpc>, new: Option<&Vpc>) {
        let namespaces = |vpc: Option<&Vpc>| vpc.map(|vpc| vpc.spec.namespaces.clone()).unwrap_or_default();
        self.vpcs.set(name, &namespaces(old), &namespaces(new));
    }

    pub(super) fn set_namespace(&mut self, name: &Name, labels: &Labels) {
        self.selectors.set_member(name, labels);
    }

    pub(super) fn remove_namespace(&mut self, name: &Name) {
        self.selectors.remove_member(name);
    }

    /// Subnets that name a namespace or select it, by name.
    pub(super) fn subnets(&self, namespace: &str) -> BTreeSet<&Name> {
        let selected = self.selectors.selected_by(namespace).map(|(subnet, _)| subnet);
        self.subnets.get(namespace).chain(selected).collect()
    }

    /// VPCs that list a namespace, by name.
    pub(super) fn vpcs(&self, namespace: &str) -> impl Iterator<Item = &Name> {
        self.vpcs.get(namespace)
    }
}

/// Who names a namespace.
#[derive(Debug, Default)]
struct Named(BTreeMap<Name, BTreeSet<Name>>);

impl Named {
    fn set(&mut self, who: &Name, before: &[Name], now: &[Name]) {
        for namespace in before.iter().filter(|namespace| !now.contains(namespace)) {
            if let Some(names) = self.0.get_mut(namespace) {
                names.remove(who);
                if names.is_empty() {
                    self.0.remove(namespace);
                }
            }
        }
        for namespace in now {
            self.0.entry(namespace.clone()).or_default().insert(who.clone());
        }
    }

    fn get(&self, namespace: &str) -> impl Iterator<Item = &Name> {
        self.0.get(namespace).into_iter().flatten()
    }
}
