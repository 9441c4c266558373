//! The project's tooling as a library, so that the network tests use the same lab as the demo and the benchmarks.

#![forbid(unsafe_code)]

pub mod bench;
mod build;
pub mod cluster;
pub mod demo;
pub mod ebpf;
pub mod frr;
pub mod fuzz;
pub mod generate;
pub mod image;
pub mod kernels;
pub mod kube;
pub mod lab;
pub mod manifests;
pub mod paths;
pub mod setup;
pub mod sh;
pub mod sim;
pub mod test;
pub mod tidy;
pub mod ui;
