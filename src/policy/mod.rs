//! IAM's policy language, as far as a repository policy uses it. Pure.

pub mod access;
pub mod action;
pub mod condition;
pub mod document;
pub mod exposure;
pub mod grammar;
pub mod kind;
pub mod principal;
pub mod privilege;
pub mod sameness;
pub mod sid;
pub mod template;
pub mod variables;
pub mod wildcard;

/// The files of `policies/`, listed by `build.rs`.
mod files {
    include!(concat!(env!("OUT_DIR"), "/policies.rs"));
}
