using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Llama.Grains.Scheduling;

/// <summary>
/// What a block holds: the keys and values of up to sixteen tokens that follow those of another block. Two keys are equal only if the
/// token ids are; the block before is named by its number, which stands for all the tokens up to there as long as that block is known.
/// So what a chain of keys matches has been compared token by token, and no hash is trusted.
/// </summary>
internal readonly struct BlockKey : IEquatable<BlockKey>
{
    /// <summary>The parent of a first block.</summary>
    public const int NoParent = -1;

    private readonly TokenIds tokens;

    /// <summary>A key.</summary>
    /// <param name="parent">The block before; <see cref="NoParent"/> for the first.</param>
    /// <param name="tokens">The block's tokens, 1 to 16.</param>
    /// <param name="salt">Of a first block: what others must have, too, to find it; null for nothing.</param>
    public BlockKey(int parent, ReadOnlySpan<int> tokens, string? salt = null)
    {
        Salt = salt;
        Parent = parent;
        Count = tokens.Length;
        tokens.CopyTo(this.tokens);
    }

    /// <summary>The block before.</summary>
    public int Parent { get; }

    /// <summary>What a sequence must have, too, to find a first block; those behind it are found through it.</summary>
    public string? Salt { get; }

    /// <summary>How many tokens; 0 for the key of nothing.</summary>
    public int Count { get; }

    /// <inheritdoc/>
    public bool Equals(BlockKey other) =>
        Parent == other.Parent && Count == other.Count && Salt == other.Salt && ((ReadOnlySpan<int>)tokens).SequenceEqual(other.tokens);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BlockKey other && Equals(other);

    /// <summary>A hash that differs from process to process, so that nobody can send prompts which all fall into one bucket.</summary>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Parent);
        hash.Add(Salt);
        hash.AddBytes(MemoryMarshal.AsBytes((ReadOnlySpan<int>)tokens));
        return hash.ToHashCode();
    }

    [InlineArray(BlockPool.BlockTokens)]
    private struct TokenIds
    {
        private int first;
    }
}
