use super::*;

fn pods(count: usize, nodes: usize) -> Vec<PodBox> {
    let pod = |number: usize| PodBox {
        name: format!("shop/web-{number}"),
        node: format!("n{}", number % nodes + 1),
        ips: vec![format!("10.0.{}.{}", number / 250, number % 250 + 2), format!("fd00::{:x}", number + 2)],
        broken: false,
    };
    (0..count).map(pod).collect()
}

fn topology(sizes: &[&[usize]]) -> Topology {
    let subnet = |(number, pods_of): (usize, &usize)| SubnetBox {
        name: format!("subnet-{number}"),
        cidr: "10.0.0.0/24,fd00::/112".to_owned(),
        remark: String::new(),
        pods: pods(*pods_of, 3),
    };
    let vpc = |(number, subnets): (usize, &&[usize])| VpcBox {
        name: format!("vpc-{number}"),
        subnets: subnets.iter().enumerate().map(subnet).collect(),
    };
    Topology {
        nodes: ["n1", "n2", "n3"].map(str::to_owned).to_vec(),
        vpcs: sizes.iter().enumerate().map(vpc).collect(),
        peerings: Vec::new(),
    }
}

/// The corners of every box with this class: x, y, right, bottom.
fn boxes(svg: &str, class: &str) -> Vec<[f64; 4]> {
    let number = |line: &str, name: &str| -> f64 {
        line.split_once(&format!(" {name}=\"")).unwrap().1.split_once('"').unwrap().0.parse().unwrap()
    };
    let of_class = svg
        .lines()
        .filter(|line| line.starts_with("<rect x") && line.contains(&format!("class=\"{class}\"")));
    of_class
        .map(|line| {
            let (x, y) = (number(line, "x"), number(line, "y"));
            [x, y, x + number(line, "width"), y + number(line, "height")]
        })
        .collect()
}

#[test]
fn nothing_overlaps_and_all_is_on_the_page() {
    for sizes in [&[&[1_usize, 0, 5][..], &[3], &[]][..], &[&[200]], &[&[20; 12], &[7; 5], &[1; 9]]] {
        let svg = render(&topology(sizes));
        let width: f64 = svg.split_once("width=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap();
        let pods = boxes(&svg, "pod");
        let expected: usize = sizes.iter().copied().flatten().sum();
        assert_eq!(pods.len(), expected + 3, "every pod and the legend of three nodes");
        for class in ["pod", "subnet", "vpc"] {
            let all = boxes(&svg, class);
            for (number, one) in all.iter().enumerate() {
                assert!(one[0] >= 0.0 && one[2] <= width, "{class} {one:?} leaves the page of {width}");
                for other in &all[number + 1..] {
                    let apart =
                        one[2] <= other[0] || other[2] <= one[0] || one[3] <= other[1] || other[3] <= one[1];
                    assert!(apart, "{class} {one:?} overlaps {other:?}");
                }
            }
        }
        for subnet in boxes(&svg, "subnet") {
            let inside = |vpc: &[f64; 4]| {
                vpc[0] <= subnet[0] && vpc[1] <= subnet[1] && subnet[2] <= vpc[2] && subnet[3] <= vpc[3]
            };
            assert!(boxes(&svg, "vpc").iter().any(inside), "subnet {subnet:?} is in no VPC");
        }
    }
}

#[test]
fn names_cannot_break_the_document() {
    let mut topology = topology(&[&[1]]);
    topology.vpcs[0].name = "<script>\"&'\u{1}".to_owned();
    topology.vpcs[0].subnets[0].pods[0].name = "x".repeat(400);
    let svg = render(&topology);
    assert!(!svg.contains("<script") && !svg.contains('\u{1}'), "{svg}");
    assert!(svg.contains("&#60;script&#62;&#34;&#38;&#39; "), "{svg}");
    assert!(svg.contains(&format!("<title>{}</title>", "x".repeat(400))) && svg.contains('…'));
}

#[test]
fn pods_of_one_node_share_a_colour_and_broken_ones_are_marked() {
    let mut topology = topology(&[&[4]]);
    topology.vpcs[0].subnets[0].pods[1].broken = true;
    topology.vpcs[0].subnets[0].pods[1].ips.clear();
    let svg = render(&topology);
    let style = |node: &str| colour(&topology, node);
    assert_eq!(svg.matches(&style("n1")).count(), 2 + 1, "pods 0 and 3, and the legend");
    assert_ne!(style("n1"), style("n2"));
    assert_eq!(svg.matches("pod broken").count(), 1);
    assert!(svg.contains("no address"));
}

#[test]
fn peers_are_joined() {
    let mut topology = topology(&[&[1], &[1]]);
    assert!(!render(&topology).contains("class=\"peering\""));
    topology.peerings =
        vec![("vpc-0".to_owned(), "vpc-1".to_owned()), ("vpc-0".to_owned(), "gone".to_owned())];
    assert_eq!(
        render(&topology).matches("class=\"peering\"").count(),
        1 + 1,
        "the line, and the legend's sample"
    );
}
