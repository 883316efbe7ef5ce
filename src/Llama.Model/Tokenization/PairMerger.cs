namespace Llama.Model.Tokenization;

/// <summary>
/// Byte-pair encoding's merging, the same for all kinds of tokenizer: of all neighbours that can merge, the pair of lowest rank does, the
/// leftmost of several, until none can. Symbols form a linked list and candidates wait in a priority queue, so a text of n symbols
/// takes O(n log n) steps. Not for several threads at once: its buffers serve one text after the other.
/// </summary>
internal sealed class PairMerger(MergeTable table)
{
    private const int Gone = int.MinValue;

    private readonly PriorityQueue<int, long> candidates = new();
    private int[] next = [];
    private int[] previous = [];

    /// <summary>Merges symbols in place.</summary>
    /// <param name="symbols">The symbols of a text; afterwards the first ones are the result.</param>
    /// <returns>How many symbols the result has.</returns>
    public int Merge(Span<int> symbols)
    {
        Link(symbols.Length);
        for (int i = 0; i + 1 < symbols.Length; i++)
            Propose(symbols, i);

        while (candidates.TryDequeue(out int left, out long key))
        {
            // A candidate is out of date when one of its symbols has merged with another neighbour since.
            int right = next[left];
            if (right == symbols.Length || !table.TryMerge(symbols[left], symbols[right], out int merged, out int rank)) continue;
            if (Key(rank, left) != key) continue;

            symbols[left] = merged;
            symbols[right] = Gone;
            next[left] = next[right];
            if (next[left] < symbols.Length) previous[next[left]] = left;
            if (previous[left] >= 0) Propose(symbols, previous[left]);
            Propose(symbols, left);
        }

        int count = 0;
        foreach (int symbol in symbols)
        {
            if (symbol != Gone) symbols[count++] = symbol;
        }
        return count;
    }

    private static long Key(int rank, int position) => ((long)rank << 32) | (uint)position;

    private void Link(int length)
    {
        if (next.Length < length)
        {
            next = new int[Math.Max(length, 2 * next.Length)];
            previous = new int[next.Length];
        }
        for (int i = 0; i < length; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
        }
    }

    private void Propose(Span<int> symbols, int left)
    {
        int right = next[left];
        if (right < symbols.Length && table.TryMerge(symbols[left], symbols[right], out _, out int rank))
            candidates.Enqueue(left, Key(rank, left));
    }
}
