using System.Numerics;
using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Tokens;

/// <summary>
/// Finds the tokens that may follow in a state. A token is allowed when none of its bytes leads nowhere. The tokens that lie within a lexeme
/// are the same whatever follows it, so they are found once; only those that go on behind it are looked at in each state. Most tokens are so
/// short that they do not come near the bounds of a string's length: these are found once for all lengths, and the others for each.
/// </summary>
/// <param name="table">Makes the derivatives.</param>
/// <param name="trie">The tokens.</param>
internal sealed class MaskBuilder(ExprTable table, TokenTrie trie)
{
    private readonly Dictionary<Expr, StateTokens> known = [];
    private readonly Dictionary<Expr, int> bounds = [];
    private readonly Dictionary<(Expr Expr, int Bytes), Expr> unbounded = [];
    private readonly Expr[] path = new Expr[trie.MostBytes + 1];
    private readonly List<int> exits = [];
    private readonly int words = (trie.VocabSize + 63) / 64;
    private readonly ulong[] bounded = new ulong[(trie.VocabSize + 63) / 64];
    private int leaves;

    /// <summary>Sets the bits of the tokens that a state allows.</summary>
    /// <param name="state">The state.</param>
    /// <param name="bits">A bit for each token.</param>
    public void Add(Expr state, ulong[] bits)
    {
        leaves = 0;
        CountLeaves(state);
        if (leaves > GrammarLimits.Alternatives) Walk(state, 0, bits, null);
        else Add(state, table.Empty, bits);
    }

    /// <summary>Sets the bits of the tokens below a node that a state allows whose text begins at the node.</summary>
    public void AddBelow(Expr state, int node, ulong[] bits) => Walk(state, node, bits, null);

    private void CountLeaves(Expr state)
    {
        if (leaves > GrammarLimits.Alternatives) return;
        ExprTable.ThrowIfTooDeep();
        switch (state.Kind)
        {
            case ExprKind.Rule:
                CountLeaves(state.Body!);
                break;
            case ExprKind.Alternatives:
                foreach (Expr part in state.Parts) CountLeaves(part);
                break;
            case ExprKind.Sequence:
                CountLeaves(state.First);
                if (state.First.Nullable) CountLeaves(state.Second);
                break;
            default:
                leaves++;
                break;
        }
    }

    private void Add(Expr head, Expr rest, ulong[] bits)
    {
        ExprTable.ThrowIfTooDeep();
        switch (head.Kind)
        {
            case ExprKind.Empty:
                if (rest != table.Empty) Add(rest, table.Empty, bits);
                break;
            case ExprKind.Rule:
                Add(head.Body!, rest, bits);
                break;
            case ExprKind.Alternatives:
                foreach (Expr part in head.Parts) Add(part, rest, bits);
                break;
            case ExprKind.Sequence:
                Add(head.First, table.Sequence(head.Second, rest), bits);
                break;
            case ExprKind.Lexeme:
                StateTokens found = NearestBound(head) is var bound and < Expr.Unbounded ? FindBounded(head, bound) : FindAll(head);
                Join(found.Bits, bits);
                if (rest == table.Empty) break;
                foreach (int exit in found.Exits) Walk(rest, exit, bits, null);
                if (head.Nullable) Add(rest, table.Empty, bits);
                break;
            default:
                Expr whole = table.Sequence(head, rest);
                int nearest = NearestBound(whole);
                if (nearest == Expr.Unbounded) Walk(whole, 0, bits, null);
                else Join(FindBounded(whole, nearest).Bits, bits);
                break;
        }
    }

    private static void Join(ulong[] more, ulong[] bits)
    {
        for (int i = 0; i < bits.Length; i++) bits[i] |= more[i];
    }

    /// <summary>The tokens of a state whose nearest bound is known.</summary>
    private StateTokens FindBounded(Expr state, int bound)
    {
        int bytes = bound < trie.MostBytes ? 1 << BitOperations.Log2((uint)bound) : trie.MostBytes;
        StateTokens found = FindAll(Unbound(state, bytes));
        if (bytes == trie.MostBytes) return found;

        ReadOnlySpan<ulong> alike = trie.ShortTokens(bytes);
        for (int i = 0; i < words; i++) bounded[i] = found.Bits[i] & alike[i];
        exits.Clear();
        foreach (int exit in found.Exits)
        {
            if (trie.Depth(exit) <= bytes) exits.Add(exit);
        }

        Walk(state, 0, bounded, exits, bytes);
        return new StateTokens(bounded, [.. exits]);
    }

    private StateTokens FindAll(Expr state)
    {
        if (known.TryGetValue(state, out StateTokens found)) return found;
        if (known.Count >= GrammarLimits.Lexemes) known.Clear();
        ulong[] bits = new ulong[words];
        exits.Clear();
        Walk(state, 0, bits, exits);
        found = new StateTokens(bits, [.. exits]);
        known.Add(state, found);
        return found;
    }

    /// <summary>
    /// The least far bound of a repetition. Each time takes a byte at least, so a token of no more bytes stays within the far bounds: they do
    /// not change whether it is allowed.
    /// </summary>
    private int NearestBound(Expr expr)
    {
        if (bounds.TryGetValue(expr, out int done)) return done;
        ExprTable.ThrowIfTooDeep();
        int nearest = Expr.Unbounded;
        switch (expr.Kind)
        {
            case ExprKind.Lexeme when !expr.First.HasBoolean:
                nearest = NearestBound(expr.First);
                break;
            case ExprKind.Sequence or ExprKind.Alternatives:
                foreach (Expr part in expr.Parts) nearest = Math.Min(nearest, NearestBound(part));
                break;
            case ExprKind.Repeat when !expr.First.Nullable:
                if (expr.Least >= TokenTrie.LeastShort) nearest = expr.Least;
                else if (expr.Most >= TokenTrie.LeastShort) nearest = expr.Most;
                break;
        }

        return bounds[expr] = nearest;
    }

    /// <summary>Lifts bounds that are too far for tokens of so many bytes: states with many lengths left become one.</summary>
    private Expr Unbound(Expr expr, int bytes)
    {
        if (unbounded.TryGetValue((expr, bytes), out Expr? done)) return done;
        ExprTable.ThrowIfTooDeep();
        Expr lifted = expr.Kind switch
        {
            ExprKind.Lexeme when !expr.First.HasBoolean => table.Lexeme(Unbound(expr.First, bytes)),
            ExprKind.Sequence => table.Sequence(Unbound(expr.First, bytes), Unbound(expr.Second, bytes)),
            ExprKind.Alternatives => table.Alternatives([.. expr.Parts.Select(part => Unbound(part, bytes))]),
            ExprKind.Repeat when !expr.First.Nullable =>
                table.Repeat(expr.First, Math.Min(expr.Least, bytes + 1), expr.Most >= bytes ? Expr.Unbounded : expr.Most),
            _ => expr,
        };
        if (unbounded.Count >= GrammarLimits.Expressions / 8) unbounded.Clear();
        unbounded[(expr, bytes)] = lifted;
        return lifted;
    }

    /// <summary>Follows the tokens below a node.</summary>
    /// <param name="start">The state at the node.</param>
    /// <param name="node">The node.</param>
    /// <param name="bits">Gets the tokens.</param>
    /// <param name="ends">Gets the nodes where the start has come to an end and longer tokens go on; null for none.</param>
    /// <param name="beyond">Tokens of at most so many bytes, and nodes of no greater depth, are left out.</param>
    private void Walk(Expr start, int node, ulong[] bits, List<int>? ends, int beyond = 0)
    {
        ReadOnlySpan<byte> classes = table.Classes;
        path[trie.Depth(node)] = start;
        int end = trie.End(node);
        for (int at = node + 1; at < end;)
        {
            if (trie.Deepest(at) <= beyond)
            {
                at = trie.End(at);
                continue;
            }

            int depth = trie.Depth(at);
            Expr next = table.DeriveClass(path[depth - 1], classes[trie.Value(at)]);
            int subtree = trie.End(at);
            if (next == table.Nothing)
            {
                at = subtree;
                continue;
            }

            if (depth > beyond) Take(at, next, subtree);
            path[depth] = next;
            at = next == table.Empty ? subtree : at + 1;
        }

        void Take(int at, Expr next, int subtree)
        {
            foreach (int token in trie.Tokens(at)) bits[token >> 6] |= 1UL << (token & 63);
            if (ends is not null && next.Nullable && subtree > at + 1) ends.Add(at);
        }
    }

    /// <summary>The tokens of a state or lexeme.</summary>
    /// <param name="Bits">Those that lie within it.</param>
    /// <param name="Exits">The nodes of the trie where it may end and tokens go on.</param>
    private readonly record struct StateTokens(ulong[] Bits, int[] Exits);
}
