//! Metrics in the text form of OpenMetrics, as every program writes them.
//!
//! What is counted over time is kept in families of the library; what is known at the moment is written by a
//! [`Collector`] with [`gauge`] and [`counter`].

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// What an answer with [`text`] says that it is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a registry.
pub fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, registry);
    text
}

/// What a collector knows at the moment.
pub fn collected(collector: impl Collector + 'static) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    text(&registry)
}

/// Writes a number that goes up and down, with its samples.
///
/// # Errors
/// The encoder's.
pub fn gauge<S: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    samples: impl IntoIterator<Item = (S, f64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Writes a number that only goes up, with its samples; `_total` is put behind its name.
///
/// # Errors
/// The encoder's.
pub fn counter<S: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    samples: impl IntoIterator<Item = (S, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in samples {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// 1 for what is so.
pub fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
