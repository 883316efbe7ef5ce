using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Tokens;

/// <summary>
/// Finds the tokens that may follow in a state. A token is allowed when none of its bytes leads nowhere. The tokens that lie within a lexeme
/// are the same whatever follows it, so they are found once; only those that go on behind it are looked at in each state.
/// </summary>
/// <param name="table">Makes the derivatives.</param>
/// <param name="trie">The tokens.</param>
internal sealed class MaskBuilder(ExprTable table, TokenTrie trie)
{
    private readonly Dictionary<Expr, LexemeTokens> lexemes = [];
    private readonly Dictionary<Expr, Expr> shortened = [];
    private readonly Expr[] path = new Expr[trie.MostBytes + 1];
    private readonly List<int> exits = [];
    private readonly int words = (trie.VocabSize + 63) / 64;
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
                LexemeTokens found = Find(head);
                for (int i = 0; i < words; i++) bits[i] |= found.Bits[i];
                if (rest == table.Empty) break;
                foreach (int exit in found.Exits) Walk(rest, exit, bits, null);
                if (head.Nullable) Add(rest, table.Empty, bits);
                break;
            default:
                Walk(table.Sequence(head, rest), 0, bits, null);
                break;
        }
    }

    private LexemeTokens Find(Expr lexeme)
    {
        Expr key = lexeme.First.HasBoolean ? lexeme : table.Lexeme(Shorten(lexeme.First));
        if (lexemes.TryGetValue(key, out LexemeTokens found)) return found;
        if (lexemes.Count >= GrammarLimits.Lexemes) lexemes.Clear();
        ulong[] bits = new ulong[words];
        exits.Clear();
        Walk(key, 0, bits, exits);
        found = new LexemeTokens(bits, [.. exits]);
        lexemes.Add(key, found);
        return found;
    }

    /// <summary>Lowers counts that no single token can reach: then strings of any length have the same tokens.</summary>
    private Expr Shorten(Expr expr)
    {
        if (shortened.TryGetValue(expr, out Expr? known)) return known;
        ExprTable.ThrowIfTooDeep();
        int reach = trie.MostBytes + 1;
        Expr shorter = expr.Kind switch
        {
            ExprKind.Sequence => table.Sequence(Shorten(expr.First), Shorten(expr.Second)),
            ExprKind.Alternatives => table.Alternatives([.. expr.Parts.Select(Shorten)]),
            ExprKind.Repeat when !expr.First.Nullable =>
                table.Repeat(expr.First, Math.Min(expr.Least, reach), expr.Most > reach ? Expr.Unbounded : expr.Most),
            _ => expr,
        };
        if (shortened.Count >= GrammarLimits.Expressions / 8) shortened.Clear();
        shortened[expr] = shorter;
        return shorter;
    }

    /// <summary>Follows the tokens below a node.</summary>
    /// <param name="start">The state at the node.</param>
    /// <param name="node">The node.</param>
    /// <param name="bits">Gets the tokens.</param>
    /// <param name="ends">Gets the nodes where the start has come to an end and longer tokens go on; null for none.</param>
    private void Walk(Expr start, int node, ulong[] bits, List<int>? ends)
    {
        ReadOnlySpan<byte> classes = table.Classes;
        path[trie.Depth(node)] = start;
        int end = trie.End(node);
        for (int at = node + 1; at < end;)
        {
            int depth = trie.Depth(at);
            Expr next = table.DeriveClass(path[depth - 1], classes[trie.Value(at)]);
            int subtree = trie.End(at);
            if (next == table.Nothing)
            {
                at = subtree;
                continue;
            }

            foreach (int token in trie.Tokens(at)) bits[token >> 6] |= 1UL << (token & 63);
            if (ends is not null && next.Nullable && subtree > at + 1) ends.Add(at);
            path[depth] = next;
            at = next == table.Empty ? subtree : at + 1;
        }
    }

    /// <summary>The tokens of a lexeme.</summary>
    /// <param name="Bits">Those that lie within it.</param>
    /// <param name="Exits">The nodes of the trie where it may end and tokens go on.</param>
    private readonly record struct LexemeTokens(ulong[] Bits, int[] Exits);
}
