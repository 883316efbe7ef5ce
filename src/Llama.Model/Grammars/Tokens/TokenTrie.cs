using Llama.Model.Tokenization;

namespace Llama.Model.Grammars.Tokens;

/// <summary>
/// The tokens of a vocabulary by their bytes, as a tree whose nodes lie one after the other, each before its children: who walks it
/// forwards leaves a subtree out by one jump. Special tokens have no bytes and are not in it. Immutable.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[] values;
    private readonly ushort[] depths;
    private readonly int[] ends;
    private readonly int[] firstTokens;
    private readonly int[] tokens;

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
        var open = new Stack<int>();
        for (int node = 0; node < values.Length; node++)
        {
            while (open.Count > 0 && depths[open.Peek()] >= depths[node]) ends[open.Pop()] = node;
            open.Push(node);
        }

        while (open.Count > 0) ends[open.Pop()] = values.Length;
    }

    /// <summary>Ids of the vocabulary.</summary>
    public int VocabSize { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int MostBytes { get; }

    /// <summary>The last byte on the way to a node.</summary>
    public byte Value(int node) => values[node];

    /// <summary>Bytes on the way to a node; 0 for the root, the first node.</summary>
    public int Depth(int node) => depths[node];

    /// <summary>The node behind a node's subtree.</summary>
    public int End(int node) => ends[node];

    /// <summary>The tokens that end at a node.</summary>
    public ReadOnlySpan<int> Tokens(int node) => tokens.AsSpan(firstTokens[node]..firstTokens[node + 1]);
}
