//! Enumerations that other languages know by number and by name: each is written once.

/// Makes an enumeration and its table from one list, in the order of the numbers. The C interface and the bindings look
/// numbers and names up here, or are compared with it by a test.
macro_rules! numbered {
    (
        $(#[$of_type:meta])*
        $Type:ident: $Number:ty {
            $($(#[$of_member:meta])+ $Member:ident = $number:literal, $name:literal;)+
        }
    ) => {
        $(#[$of_type])*
        pub enum $Type {
            $($(#[$of_member])+ $Member = $number,)+
        }

        impl $Type {
            /// Every member so far, in the order of its number.
            pub const ALL: [$Type; [$($number),+].len()] = [$($Type::$Member),+];

            /// The member with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: $Number) -> Option<Self> {
                match number {
                    $($number => Some($Type::$Member),)+
                    _ => None,
                }
            }

            /// The name, the same in every language.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($Type::$Member => $name,)+
                }
            }

            /// The name with a zero byte behind it, as C takes it.
            #[doc(hidden)]
            #[must_use]
            pub const fn c_name(self) -> &'static std::ffi::CStr {
                match self {
                    $($Type::$Member => {
                        match std::ffi::CStr::from_bytes_with_nul(concat!($name, "\0").as_bytes()) {
                            Ok(name) => name,
                            Err(_) => c"",
                        }
                    })+
                }
            }
        }
    };
}

pub(crate) use numbered;

#[cfg(test)]
mod tests {
    use crate::base::error::ErrorKind;
    use crate::contract::action::{Action, CloseReason};
    use crate::contract::config::Balance;

    /// Checks that the numbers count up from `first`, and are found again.
    macro_rules! check {
        ($Type:ident from $first:literal: $Number:ty) => {
            for (number, member) in ($first..).zip($Type::ALL) {
                assert_eq!(member as $Number, number, "{member:?}");
                assert_eq!($Type::from_number(number), Some(member));
                assert_eq!(member.c_name().to_str(), Ok(member.name()));
            }
            let end = $first + $Type::ALL.len() as $Number;
            assert_eq!($Type::from_number(end), None);
        };
    }

    #[test]
    fn numbers_have_no_gap_and_are_found_again() {
        check!(ErrorKind from 1: i32);
        check!(CloseReason from 1: i32);
        check!(Action from 0: i32);
        check!(Balance from 0: u32);
    }

    #[test]
    fn names_are_those_that_programs_know() {
        assert_eq!(ErrorKind::AddressInUse.name(), "ADDRESS_IN_USE");
        assert_eq!(CloseReason::LocalClose.name(), "local close");
        assert_eq!(Action::ALL.map(Action::name), ["none", "close", "stop", "detach"]);
        let balances = ["round-robin", "least-connections", "random", "source-hash", "reuseport"];
        assert_eq!(Balance::ALL.map(Balance::name), balances);
    }
}
