//! A picture of the network: VPCs with their routers, subnets and pods, coloured by node.
//!
//! Everything flows like text: pods fill a subnet's box in rows, subnets a VPC's, VPCs the page. So a dozen pods
//! make a small picture and two hundred a long one, and nothing ever lies on top of something else but the arcs
//! between peered VPCs.

use std::fmt::Write;

use self::draw::{Canvas, Point, Size};

mod draw;

/// What the picture shows.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// The names of the nodes; their order decides the colours.
    pub nodes: Vec<String>,
    /// The VPCs in the order they are drawn.
    pub vpcs: Vec<VpcBox>,
    /// Pairs of VPCs that are peered, by name.
    pub peerings: Vec<(String, String)>,
}

/// A VPC.
#[derive(Debug, Clone, Default)]
pub struct VpcBox {
    /// Its name.
    pub name: String,
    /// Its subnets in the order they are drawn.
    pub subnets: Vec<SubnetBox>,
}

/// A subnet.
#[derive(Debug, Clone, Default)]
pub struct SubnetBox {
    /// Its name.
    pub name: String,
    /// Its block, or both with a comma between.
    pub cidr: String,
    /// What else is to be said, in a word or two: `private, allows web`.
    pub remark: String,
    /// Its pods in the order they are drawn.
    pub pods: Vec<PodBox>,
}

/// A pod.
#[derive(Debug, Clone, Default)]
pub struct PodBox {
    /// `namespace/name`.
    pub name: String,
    /// The node it is on.
    pub node: String,
    /// Its addresses.
    pub ips: Vec<String>,
    /// Whether it has no network although it should.
    pub broken: bool,
}

/// As wide as a VPC's box may grow before its subnets go on in another row; the page is a margin wider.
const PAGE: f64 = 1280.0;
const MARGIN: f64 = 24.0;
const GAP: f64 = 16.0;
const POD: Size = Size { w: 204.0, h: 54.0 };
const POD_GAP: f64 = 8.0;
/// Above the pods of a subnet: its name, its block, its remark.
const SUBNET_HEAD: f64 = 62.0;
const SUBNET_LEAST: Size = Size { w: 228.0, h: 84.0 };
/// Above the subnets of a VPC: its name and its router.
const VPC_HEAD: f64 = 76.0;
/// Left of the subnets of a VPC: the line that leads to those in further rows.
const TRUNK: f64 = 28.0;
/// As wide as the narrowest subnet, so that one subnet hangs straight below.
const ROUTER: Size = Size { w: SUBNET_LEAST.w, h: 30.0 };

/// In the legend; no node is called that, since no name has a blank.
const PEERING: &str = "VPC peering";

/// Something with a size, put somewhere.
struct Placed<'a, T: ?Sized> {
    what: &'a T,
    at: Point,
    size: Size,
}

/// Draws the picture as one SVG document.
pub fn render(topology: &Topology) -> String {
    let sized: Vec<(&VpcBox, Size)> = topology.vpcs.iter().map(|vpc| (vpc, place_subnets(vpc).1)).collect();
    let top = Point { x: MARGIN, y: MARGIN + 44.0 };
    let (vpcs, content) = flow(&sized, top, PAGE, GAP * 1.5);
    let width = content.w.max(560.0) + 2.0 * MARGIN;
    let legend_at = Point { x: MARGIN, y: top.y + content.h + GAP * 1.5 };
    let mut canvas = Canvas::default();
    canvas.text(Point { x: MARGIN, y: MARGIN + 20.0 }, &title(topology), "title", width - 2.0 * MARGIN, 10.5);
    for vpc in &vpcs {
        canvas.rect(vpc.at, vpc.size, 12.0, "vpc", "");
    }
    // Below all that is to be read.
    for (one, other) in &topology.peerings {
        let find = |name: &String| vpcs.iter().find(|vpc| vpc.what.name == *name);
        if let (Some(one), Some(other)) = (find(one), find(other)) {
            draw_peering(&mut canvas, one, other);
        }
    }
    for vpc in &vpcs {
        draw_vpc(&mut canvas, topology, vpc);
    }
    let bottom = draw_legend(&mut canvas, topology, legend_at, width - MARGIN);
    canvas.finish(Size { w: width, h: bottom + MARGIN })
}

fn title(topology: &Topology) -> String {
    let pods: usize = topology.vpcs.iter().flat_map(|vpc| &vpc.subnets).map(|subnet| subnet.pods.len()).sum();
    let subnets: usize = topology.vpcs.iter().map(|vpc| vpc.subnets.len()).sum();
    let count = |many: usize, what: &str| format!("{many} {what}{}", if many == 1 { "" } else { "s" });
    let parts = [
        count(topology.nodes.len(), "node"),
        count(topology.vpcs.len(), "VPC"),
        count(subnets, "subnet"),
        count(pods, "pod"),
    ];
    parts.join(", ")
}

/// Puts things side by side from `from` on, in rows at most `width` wide; returns how much room that takes.
fn flow<'a, T: ?Sized>(
    sized: &[(&'a T, Size)],
    from: Point,
    width: f64,
    gap: f64,
) -> (Vec<Placed<'a, T>>, Size) {
    let (mut at, mut row, mut wide) = (from, 0.0_f64, 0.0_f64);
    let mut placed = Vec::with_capacity(sized.len());
    for (what, size) in sized {
        if at.x > from.x && at.x + size.w > from.x + width {
            at = Point { x: from.x, y: at.y + row + gap };
            row = 0.0;
        }
        placed.push(Placed { what: *what, at, size: *size });
        wide = wide.max(at.x + size.w - from.x);
        row = row.max(size.h);
        at.x += size.w + gap;
    }
    (placed, Size { w: wide, h: at.y + row - from.y })
}

/// How many pods stand side by side in a subnet of this many: wider than high, since pods are.
fn columns(pods: usize) -> usize {
    match pods {
        0..=2 => 1,
        3..=8 => 2,
        9..=18 => 3,
        19..=48 => 4,
        _ => 5,
    }
}

fn grid(pods: usize) -> Size {
    let columns = columns(pods);
    let side = |count: usize, one: f64| {
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (count * (one + POD_GAP) - POD_GAP).max(0.0)
    };
    Size { w: side(columns, POD.w), h: side(pods.div_ceil(columns), POD.h) }
}

fn subnet_size(subnet: &SubnetBox) -> Size {
    let pods = grid(subnet.pods.len());
    Size { w: (pods.w + 24.0).max(SUBNET_LEAST.w), h: (SUBNET_HEAD + pods.h + 12.0).max(SUBNET_LEAST.h) }
}

/// The subnets of a VPC relative to its corner, and the VPC's size.
fn place_subnets(vpc: &VpcBox) -> (Vec<Placed<'_, SubnetBox>>, Size) {
    let sized: Vec<(&SubnetBox, Size)> =
        vpc.subnets.iter().map(|subnet| (subnet, subnet_size(subnet))).collect();
    let from = Point { x: TRUNK, y: VPC_HEAD + 2.0 * GAP };
    let (placed, size) = flow(&sized, from, PAGE - TRUNK - GAP, 2.0 * GAP);
    (placed, Size { w: (TRUNK + size.w + GAP).max(TRUNK + ROUTER.w + GAP), h: from.y + size.h + GAP })
}

fn router_middle(vpc: &Placed<'_, VpcBox>) -> Point {
    Point { x: vpc.at.x + TRUNK + ROUTER.w / 2.0, y: vpc.at.y + VPC_HEAD - ROUTER.h / 2.0 }
}

/// Between neighbours from router to router; else by the left, where only trunks are.
fn draw_peering(canvas: &mut Canvas, one: &Placed<'_, VpcBox>, other: &Placed<'_, VpcBox>) {
    let (one, other) = (router_middle(one), router_middle(other));
    if one.y.total_cmp(&other.y).is_eq() {
        let (left, right) = if one.x < other.x { (one, other) } else { (other, one) };
        canvas.curve(left, Point { x: f64::midpoint(left.x, right.x), y: left.y - 60.0 }, right, "peering");
    } else {
        let left = |router: Point| router.by(-ROUTER.w / 2.0, 0.0);
        let aside =
            Point { x: left(one).x.min(left(other).x) - 2.0 * TRUNK, y: f64::midpoint(one.y, other.y) };
        canvas.curve(left(one), aside, left(other), "peering");
    }
}

fn draw_vpc(canvas: &mut Canvas, topology: &Topology, vpc: &Placed<'_, VpcBox>) {
    let corner = vpc.at;
    canvas.text(
        corner.by(TRUNK, 26.0),
        &format!("VPC {}", vpc.what.name),
        "vpcname",
        vpc.size.w - 2.0 * TRUNK,
        9.5,
    );
    let (subnets, _) = place_subnets(vpc.what);
    let trunk = corner.x + TRUNK / 2.0;
    let middle = router_middle(vpc);
    let mut rows: Vec<f64> = subnets.iter().map(|subnet| subnet.at.y).collect();
    rows.dedup();
    for (row, top) in rows.iter().enumerate() {
        let bus = corner.y + top - GAP;
        let of_row = || subnets.iter().filter(|subnet| subnet.at.y.total_cmp(top).is_eq());
        let middle_of = |subnet: &Placed<'_, SubnetBox>| corner.x + subnet.at.x + subnet.size.w / 2.0;
        let last = of_row().map(middle_of).fold(middle.x, f64::max);
        let first = if rows.len() > 1 { trunk } else { middle.x };
        // The first row hangs right below the router, further ones on the trunk that passes on the left.
        let above = if row == 0 { middle } else { Point { x: trunk, y: corner.y + VPC_HEAD + GAP } };
        canvas.line(above, Point { x: above.x, y: bus }, "wire");
        canvas.line(Point { x: first, y: bus }, Point { x: last, y: bus }, "wire");
        for subnet in of_row() {
            let x = middle_of(subnet);
            canvas.line(Point { x, y: bus }, Point { x, y: corner.y + subnet.at.y }, "wire");
        }
    }
    let router = corner.by(TRUNK, VPC_HEAD - ROUTER.h);
    canvas.rect(router, ROUTER, ROUTER.h / 2.0, "router", "");
    canvas.text(
        router.by(16.0, 20.0),
        &format!("router {}", vpc.what.name),
        "routername",
        ROUTER.w - 28.0,
        7.5,
    );
    for subnet in &subnets {
        draw_subnet(canvas, topology, subnet, corner.by(subnet.at.x, subnet.at.y));
    }
}

fn draw_subnet(canvas: &mut Canvas, topology: &Topology, subnet: &Placed<'_, SubnetBox>, corner: Point) {
    canvas.rect(corner, subnet.size, 8.0, "subnet", "");
    let room = subnet.size.w - 24.0;
    canvas.text(corner.by(12.0, 20.0), &subnet.what.name, "subnetname", room, 8.0);
    canvas.text(corner.by(12.0, 36.0), &subnet.what.cidr, "cidr", room, 6.7);
    canvas.text(corner.by(12.0, 52.0), &subnet.what.remark, "remark", room, 6.3);
    let sized: Vec<(&PodBox, Size)> = subnet.what.pods.iter().map(|pod| (pod, POD)).collect();
    let width = grid(subnet.what.pods.len()).w;
    for pod in flow(&sized, corner.by(12.0, SUBNET_HEAD), width, POD_GAP).0 {
        draw_pod(canvas, topology, &pod);
    }
}

fn draw_pod(canvas: &mut Canvas, topology: &Topology, pod: &Placed<'_, PodBox>) {
    let class = if pod.what.broken { "pod broken" } else { "pod" };
    canvas.rect(pod.at, POD, 6.0, class, &colour(topology, &pod.what.node));
    let room = POD.w - 16.0;
    canvas.text(pod.at.by(8.0, 17.0), &pod.what.name, "podname", room, 6.9);
    for (line, ip) in pod.what.ips.iter().take(2).zip([32.0, 46.0]).map(|(ip, line)| (line, ip)) {
        canvas.text(pod.at.by(8.0, line), ip, "ip", room, 6.7);
    }
    if pod.what.ips.is_empty() {
        canvas.text(pod.at.by(8.0, 32.0), "no address", "ip", room, 6.7);
    }
}

/// Draws the nodes with their colours, and what a dashed line is; returns how far down it reaches.
fn draw_legend(canvas: &mut Canvas, topology: &Topology, at: Point, right: f64) -> f64 {
    let size = Size { w: 180.0, h: 24.0 };
    let mut sized: Vec<(&str, Size)> = topology.nodes.iter().map(|node| (node.as_str(), size)).collect();
    if !topology.peerings.is_empty() {
        sized.push((PEERING, size));
    }
    let (nodes, room) = flow(&sized, at, right - at.x, 8.0);
    for node in nodes {
        if node.what == PEERING {
            canvas.line(node.at.by(-2.0, 12.0), node.at.by(19.0, 12.0), "peering");
        } else {
            let sample = Size { w: 16.0, h: 16.0 };
            canvas.rect(node.at.by(0.0, 4.0), sample, 4.0, "pod", &colour(topology, node.what));
        }
        canvas.text(node.at.by(24.0, 16.0), node.what, "legend", size.w - 30.0, 7.5);
    }
    at.y + room.h
}

/// Neighbours in the list of nodes get hues far apart; a node that is not in the list is grey.
fn colour(topology: &Topology, node: &str) -> String {
    let mut style = String::new();
    match topology.nodes.iter().position(|known| known == node) {
        Some(number) => {
            let hue = (210 + number * 137) % 360;
            // Writing to a string cannot fail.
            let _ = write!(style, "fill:hsl({hue},75%,91%);stroke:hsl({hue},55%,45%)");
        }
        None => style.push_str("fill:#eee;stroke:#999"),
    }
    style
}

#[cfg(test)]
mod tests;
