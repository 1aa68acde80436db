//! From Kube-OVN's rules to ours, and from one writer to the other, with packets all the way.
