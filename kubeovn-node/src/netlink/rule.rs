//! Rules that say in which table packets are looked up, and the default routes of such tables.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleHeader, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::RouteMessageBuilder;

use super::error::Context;
use super::route::ip_of;
use super::{Netlink, NetlinkError};

/// By this number the kernel's lists tell what is ours; `ip rule` shows it as `proto 75`.
pub const OURS: u8 = 75;

/// `from <from> lookup <table> pref <priority>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceRule {
    /// The lower comes first.
    pub priority: u32,
    /// Source of the packets.
    pub from: IpNet,
    /// The table that they are looked up in.
    pub table: u32,
}

/// The default route of a table other than the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableGateway {
    /// The table.
    pub table: u32,
    /// The next hop.
    pub via: IpAddr,
}

impl Netlink {
    /// All rules of both families that do nothing but look sources up in a table, with the number of who made them.
    pub async fn source_rules(&self) -> Result<Vec<(SourceRule, u8)>, NetlinkError> {
        let mut found = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RuleMessage::default();
            request.header.family = family;
            let pick = |message: RouteNetlinkMessage| match message {
                RouteNetlinkMessage::NewRule(message) => rule_of(&message),
                _ => None,
            };
            let request = RouteNetlinkMessage::GetRule(request);
            found.extend(self.dump(request, pick, "list", &"routing rules").await?);
        }
        Ok(found)
    }

    /// Adds a rule as ours, also where somebody has one just like it.
    pub async fn add_source_rule(&self, rule: &SourceRule) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::NewRule(message_of(rule, OURS));
        self.ask(message, NLM_F_CREATE).await.context("add routing rule", rule)
    }

    /// Deletes one rule that somebody made, told by number; of several just like it, the oldest. One that is not there (any
    /// more) is fine.
    pub async fn delete_source_rule(&self, rule: &SourceRule, who: u8) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::DelRule(message_of(rule, who));
        match self.ask(message, 0).await.context("delete routing rule", rule) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }

    async fn ask(&self, message: RouteNetlinkMessage, flags: u16) -> Result<(), rtnetlink::Error> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut handle = self.handle.clone();
        let mut answers = handle.request(request)?;
        while let Some(answer) = futures_util::StreamExt::next(&mut answers).await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(rtnetlink::Error::NetlinkError(error));
            }
        }
        Ok(())
    }

    /// The default routes of all tables but the main one, with the number of who made them.
    pub async fn table_gateways(&self) -> Result<Vec<(TableGateway, u8)>, NetlinkError> {
        let mut found = Vec::new();
        let filters =
            [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()];
        for mut filter in filters {
            filter.header.table = RouteHeader::RT_TABLE_UNSPEC;
            let messages = self.dump_routes(filter, "list", &"routes of all tables").await?;
            found.extend(messages.iter().filter_map(gateway_of));
        }
        Ok(found)
    }

    /// Makes the default route of a table lead to a gateway, as ours.
    pub async fn replace_table_gateway(&self, gateway: &TableGateway) -> Result<(), NetlinkError> {
        let message = default_by(gateway, OURS.into());
        self.handle.route().add(message).replace().execute().await.context("add route", gateway)
    }

    /// Deletes the default route of a table, if it is ours; one that is not there (any more) is fine.
    pub async fn delete_table_gateway(&self, gateway: &TableGateway) -> Result<(), NetlinkError> {
        let message = default_by(gateway, OURS.into());
        match self.handle.route().del(message).execute().await.context("delete route", gateway) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }
}

impl fmt::Display for SourceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} lookup {} pref {}", self.from, self.table, self.priority)
    }
}

impl fmt::Display for TableGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "default via {} table {}", self.via, self.table)
    }
}

fn message_of(rule: &SourceRule, who: u8) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family =
        if rule.from.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.src_len = rule.from.prefix_len();
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Source(rule.from.network()),
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
    ];
    // The kernel compares the number if there is one.
    message.attributes.extend((who != 0).then(|| RuleAttribute::Protocol(who.into())));
    message
}

fn rule_of(message: &RuleMessage) -> Option<(SourceRule, u8)> {
    let RuleHeader { src_len, dst_len: 0, tos: 0, action: RuleAction::ToTable, .. } = message.header else {
        return None;
    };
    let mut rule = SourceRule { priority: 0, from: IpNet::default(), table: message.header.table.into() };
    let (mut from, mut protocol) = (None, 0);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(ip) => from = IpNet::new(*ip, src_len).ok(),
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Protocol(who) => protocol = u8::from(*who),
            // No limit of any kind.
            RuleAttribute::SuppressPrefixLen(u32::MAX) | RuleAttribute::SuppressIfGroup(u32::MAX) => {}
            // It asks for more than the source.
            _ => return None,
        }
    }
    rule.from = from?;
    Some((rule, protocol))
}

fn default_by(gateway: &TableGateway, protocol: RouteProtocol) -> RouteMessage {
    let mut message = match gateway.via {
        IpAddr::V4(_) => RouteMessageBuilder::<Ipv4Addr>::new().build(),
        IpAddr::V6(_) => RouteMessageBuilder::<Ipv6Addr>::new().build(),
    };
    message.header.protocol = protocol;
    // Numbers above 255 have room in the attribute only.
    message.header.table = u8::try_from(gateway.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes.push(RouteAttribute::Table(gateway.table));
    message.attributes.push(RouteAttribute::Gateway(gateway.via.into()));
    message
}

fn gateway_of(message: &RouteMessage) -> Option<(TableGateway, u8)> {
    let header = &message.header;
    if header.kind != RouteType::Unicast || header.destination_prefix_length != 0 {
        return None;
    }
    let (mut table, mut via) = (u32::from(header.table), None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(id) => table = *id,
            RouteAttribute::Gateway(address) => via = ip_of(address),
            _ => {}
        }
    }
    let gateway = TableGateway { table, via: via? };
    (table != u32::from(RouteHeader::RT_TABLE_MAIN)).then_some((gateway, u8::from(header.protocol)))
}
