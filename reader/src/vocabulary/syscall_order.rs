//! Checks whether deliveries and syscalls are in an order in which a kernel makes them.

use super::Role;

/// The order of deliveries and syscalls in one crank.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// The open delivery or syscall, which waits for its result; for a syscall its number.
    waits: Option<(Role, Option<u64>)>,
    next_syscall: u64,
}

impl Steps {
    /// Starts at this entry. Entries before it were not seen.
    pub fn from(role: Role, syscall: Option<u64>) -> Steps {
        let next_syscall = syscall.map_or(0, |number| number.saturating_add(1));
        let waits = match role {
            Role::Syscall => Some((Role::Syscall, syscall)),
            Role::SyscallResult | Role::Deliver => Some((Role::Deliver, None)),
            _ => None,
        };
        Steps {
            waits,
            next_syscall,
        }
    }

    /// Takes the next entry of the crank. Returns why it cannot follow.
    pub fn take(&mut self, role: Role, syscall: Option<u64>) -> Option<String> {
        let fault = |what: &str| Some(what.to_owned());
        match (role, self.waits) {
            (Role::Deliver, Some(_)) => {
                return fault("a delivery begins before the last one ended");
            }
            (Role::Syscall, Some((Role::Syscall, _))) => {
                return fault("a syscall follows another one that has no result");
            }
            (Role::SyscallResult, Some((Role::Syscall, of))) if of == syscall => {
                self.waits = Some((Role::Deliver, None));
            }
            (Role::SyscallResult, _) => {
                return fault("a syscall's result has no syscall");
            }
            (Role::Syscall, None) => return fault("a syscall is outside a delivery"),
            (Role::Syscall, Some(_)) => {
                let next = self.next_syscall;
                if syscall != Some(next) {
                    let number = syscall.map_or("none".to_owned(), |n| n.to_string());
                    return Some(format!("found syscall {number}, expected {next}"));
                }
                self.next_syscall += 1;
                self.waits = Some((Role::Syscall, syscall));
            }
            (Role::Deliver, _) => {
                self.next_syscall = 0;
                self.waits = Some((Role::Deliver, None));
            }
            (Role::DeliverResult, Some((Role::Deliver, _))) => self.waits = None,
            (Role::DeliverResult, _) => {
                return fault("a delivery's result does not follow its delivery");
            }
            (Role::CrankFinish, Some(_)) => return fault("a crank ends inside a delivery"),
            _ => {}
        }
        None
    }
}
