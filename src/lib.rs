//! Gives every Amazon ECR repository the policy that one configuration says it should have.
//!
//! The heart is [`reconcile::reconcile`], a pure function from the desired statements and the current policy to
//! a [`reconcile::Plan`]. Everything below it ([`configuration`], [`policy`], [`repository`], [`finding`]) is pure
//! too: no clock, no network, no environment. [`aws`] is the only place that knows the SDK, [`controller`] brings
//! one repository in line, and [`function`] is what Lambda hands us and what it gets back.

pub mod aws;
pub mod configuration;
pub mod controller;
pub mod error;
pub mod finding;
pub mod function;
pub mod policy;
pub mod reconcile;
pub mod repository;
pub mod sweep;
