//! Random trees, as the grammar can write them.

use proptest::prelude::*;

use super::ast::{ArithmeticOp, BitOp, CompareOp, Expr, ExprKind, LogicalOp, MemberOp, UnaryOp};
use crate::diagnostic::Span;
use crate::net::NetLiteral;

fn node(kind: ExprKind) -> Expr {
    Expr::new(kind, Span::default())
}

fn content() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![Just("a"), Just("/"), Just("*"), Just("\\\""), Just("é"), Just("${"), Just("#")],
        0..5,
    )
    .prop_map(|parts| parts.concat())
}

fn net() -> impl Strategy<Value = ExprKind> {
    (any::<std::net::IpAddr>(), proptest::option::of(0_u8..=32))
        .prop_map(|(address, prefix)| ExprKind::Net(NetLiteral { address, prefix }))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("n.a"), Just("it[A].k"), Just("_x"), Just("O_CREAT"), Just("list[0]"), Just("fe80")]
        .prop_map(str::to_owned)
}

fn member() -> impl Strategy<Value = Expr> {
    prop_oneof![
        content().prop_map(ExprKind::Str),
        content().prop_map(ExprKind::Pattern),
        content().prop_map(ExprKind::Regexp),
        any::<i64>().prop_map(ExprKind::Int),
        net(),
        name().prop_map(ExprKind::Identifier),
    ]
    .prop_map(node)
}

fn array() -> impl Strategy<Value = Expr> {
    prop_oneof![
        proptest::collection::vec(member(), 1..4).prop_map(|items| node(ExprKind::List(items))),
        name().prop_map(|name| node(ExprKind::Identifier(name))),
        Just(node(ExprKind::Variable("v.x".to_owned()))),
    ]
}

/// Any tree that some text stands for.
pub(crate) fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        member(),
        (0_i64..100_000).prop_map(|ms| node(ExprKind::Duration(ms * 1_000_000))),
        Just(node(ExprKind::Variable("v".to_owned()))),
        Just(node(ExprKind::FieldReference("n.a[0]".to_owned()))),
    ];
    leaf.prop_recursive(6, 40, 3, |inner| {
        let two = (inner.clone(), inner.clone()).prop_map(|(left, right)| (Box::new(left), Box::new(right)));
        let compare = prop_oneof![
            Just(CompareOp::Equal),
            Just(CompareOp::NotEqual),
            Just(CompareOp::Matches),
            Just(CompareOp::NotMatches),
            Just(CompareOp::Less),
            Just(CompareOp::LessEqual),
            Just(CompareOp::Greater),
            Just(CompareOp::GreaterEqual),
        ];
        let bits = prop_oneof![Just(BitOp::And), Just(BitOp::Or), Just(BitOp::Xor)];
        let unary = prop_oneof![Just(UnaryOp::Not), Just(UnaryOp::Negate), Just(UnaryOp::Invert)];
        let sum = prop_oneof![Just(ArithmeticOp::Add), Just(ArithmeticOp::Subtract)];
        let membership = prop_oneof![Just(MemberOp::In), Just(MemberOp::NotIn), Just(MemberOp::AllIn)];
        prop_oneof![
            (
                prop_oneof![Just(LogicalOp::And), Just(LogicalOp::Or)],
                proptest::collection::vec(inner.clone(), 2..4)
            )
                .prop_map(|(op, operands)| node(ExprKind::Logical { op, operands })),
            (compare, two.clone()).prop_map(|(op, (left, right))| node(ExprKind::Compare {
                op,
                left,
                right
            })),
            (membership, inner.clone(), array()).prop_map(|(op, left, right)| {
                node(ExprKind::Member { op, left: Box::new(left), right: Box::new(right) })
            }),
            (sum, two.clone()).prop_map(|(op, (left, right))| node(ExprKind::Arithmetic { op, left, right })),
            (bits, two).prop_map(|(op, (left, right))| node(ExprKind::Bits { op, left, right })),
            (unary, inner).prop_map(|(op, operand)| node(ExprKind::Unary { op, operand: Box::new(operand) })),
        ]
    })
}
