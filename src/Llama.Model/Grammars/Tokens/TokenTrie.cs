using System.Numerics;
using Llama.Model.Tokenization;

namespace Llama.Model.Grammars.Tokens;

/// <summary>
/// The tokens of a vocabulary by their bytes, as a tree whose nodes lie one after the other, each before its children: who walks it
/// forwards leaves a subtree out by one jump. Special tokens have no bytes and are not in it. Immutable.
/// </summary>
internal sealed class TokenTrie
{
    /// <summary>The shortest length for which <see cref="ShortTokens"/> are known.</summary>
    public const int LeastShort = 16;

    private readonly byte[] values;
    private readonly ushort[] depths;
    private readonly ushort[] deepest;
    private readonly int[] ends;
    private readonly int[] firstTokens;
    private readonly int[] tokens;
    private readonly List<ulong[]> shortTokens = [];

    /// <summary>Sorts a vocabulary.</summary>
    /// <param name="vocabulary">The vocabulary.</param>
    public TokenTrie(IVocabulary vocabulary)
    {
        VocabSize = vocabulary.VocabSize;
        tokens = [.. Enumerable.Range(0, VocabSize).Where(id => !vocabulary.TokenBytes(id).IsEmpty)];
        Array.Sort(tokens, (a, b) => vocabulary.TokenBytes(a).SequenceCompareTo(vocabulary.TokenBytes(b)));
        List<byte> value = [0];
        List<ushort> depth = [0];
        List<int> first = [0];
        ReadOnlySpan<byte> last = [];
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<byte> bytes = vocabulary.TokenBytes(tokens[i]);
            for (int at = last.CommonPrefixLength(bytes); at < bytes.Length; at++)
            {
                value.Add(bytes[at]);
                depth.Add((ushort)(at + 1));

                // Only the node of the last byte has the token: the tokens of the others come before it.
                first.Add(i);
            }

            MostBytes = Math.Max(MostBytes, bytes.Length);
            last = bytes;
        }

        first.Add(tokens.Length);
        (values, depths, firstTokens) = ([.. value], [.. depth], [.. first]);
        ends = new int[values.Length];
        deepest = [.. depths];
        var open = new Stack<int>();
        for (int node = 0; node < values.Length; node++)
        {
            while (open.Count > 0 && depths[open.Peek()] >= depths[node]) Close(node);
            open.Push(node);
        }

        while (open.Count > 0) Close(values.Length);
        for (int bytes = LeastShort; bytes < MostBytes; bytes *= 2)
        {
            ulong[] bits = new ulong[(VocabSize + 63) / 64];
            foreach (int token in tokens) bits[token >> 6] |= vocabulary.TokenBytes(token).Length <= bytes ? 1UL << (token & 63) : 0;
            shortTokens.Add(bits);
        }

        void Close(int end)
        {
            int node = open.Pop();
            ends[node] = end;
            if (open.TryPeek(out int parent)) deepest[parent] = Math.Max(deepest[parent], deepest[node]);
        }
    }

    /// <summary>Ids of the vocabulary.</summary>
    public int VocabSize { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int MostBytes { get; }

    /// <summary>The last byte on the way to a node.</summary>
    public byte Value(int node) => values[node];

    /// <summary>Bytes on the way to a node; 0 for the root, the first node.</summary>
    public int Depth(int node) => depths[node];

    /// <summary>Bytes of the longest token in a node's subtree.</summary>
    public int Deepest(int node) => deepest[node];

    /// <summary>The node behind a node's subtree.</summary>
    public int End(int node) => ends[node];

    /// <summary>A bit for each token of at most so many bytes.</summary>
    /// <param name="bytes">A power of two from <see cref="LeastShort"/> on, less than <see cref="MostBytes"/>.</param>
    public ReadOnlySpan<ulong> ShortTokens(int bytes) => shortTokens[BitOperations.Log2((uint)(bytes / LeastShort))];

    /// <summary>The tokens that end at a node.</summary>
    public ReadOnlySpan<int> Tokens(int node) => tokens.AsSpan(firstTokens[node]..firstTokens[node + 1]);
}
