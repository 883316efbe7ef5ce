using System.Buffers.Binary;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Links;

/// <summary>What comes back from the last stage for one step.</summary>
/// <param name="Epoch">The plan of the step.</param>
/// <param name="Number">The step's number.</param>
/// <param name="Drawn">The tokens, one for each sequence of the step that drew.</param>
public readonly record struct StepResult(ulong Epoch, ulong Number, DrawnTokens Drawn);

/// <summary>
/// A step's result as bytes, little-endian: epoch and number (8 each), count of tokens (4), and for each the drawn token, the count of
/// its candidates (4), and the candidates; a token is its id (4) and log-probability (4).
/// </summary>
public static class ResultCodec
{
    /// <summary>Longest encoded result.</summary>
    public const int MaxBytes = 20 + (Step.MaxTokens * (12 + (Step.MaxCandidates * 8)));

    /// <summary>Bytes that a result takes.</summary>
    public static int Bytes(StepResult result)
    {
        int bytes = 20;
        for (int i = 0; i < result.Drawn.Count; i++) bytes += 12 + (result.Drawn[i].Candidates.Length * 8);
        return bytes;
    }

    /// <summary>Encodes a result.</summary>
    /// <param name="result">The result.</param>
    /// <param name="target">At least <see cref="Bytes"/> bytes.</param>
    public static void Write(StepResult result, Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(target, result.Epoch);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], result.Number);
        BinaryPrimitives.WriteInt32LittleEndian(target[16..], result.Drawn.Count);
        Span<byte> rest = target[20..];
        for (int i = 0; i < result.Drawn.Count; i++)
        {
            DrawnToken drawn = result.Drawn[i];
            rest = WriteCandidate(rest, drawn.Drawn);
            BinaryPrimitives.WriteInt32LittleEndian(rest, drawn.Candidates.Length);
            rest = rest[4..];
            foreach (Candidate candidate in drawn.Candidates) rest = WriteCandidate(rest, candidate);
        }
    }

    /// <summary>Decodes a result.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="drawn">Empty; receives the tokens, and becomes the result's.</param>
    /// <exception cref="LinkException">The bytes are no result.</exception>
    public static StepResult Read(ReadOnlySpan<byte> source, DrawnTokens drawn)
    {
        ArgumentNullException.ThrowIfNull(drawn);
        if (source.Length < 20) throw Malformed(source.Length);
        ulong epoch = BinaryPrimitives.ReadUInt64LittleEndian(source);
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(source[16..]);
        if (count is < 0 or > Step.MaxTokens) throw Malformed(source.Length);
        ReadOnlySpan<byte> rest = source[20..];
        Span<Candidate> best = stackalloc Candidate[Step.MaxCandidates];
        for (int i = 0; i < count; i++)
        {
            if (rest.Length < 12) throw Malformed(source.Length);
            Candidate token = ReadCandidate(ref rest);
            int candidates = BinaryPrimitives.ReadInt32LittleEndian(rest);
            rest = rest[4..];
            if (candidates is < 0 or > Step.MaxCandidates || rest.Length < candidates * 8) throw Malformed(source.Length);
            for (int j = 0; j < candidates; j++) best[j] = ReadCandidate(ref rest);
            drawn.Add(token, best[..candidates]);
        }

        if (rest.Length > 0) throw Malformed(source.Length);
        return new StepResult(epoch, number, drawn);
    }

    private static Span<byte> WriteCandidate(Span<byte> target, Candidate candidate)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, candidate.Token);
        BinaryPrimitives.WriteSingleLittleEndian(target[4..], candidate.LogProbability);
        return target[8..];
    }

    private static Candidate ReadCandidate(ref ReadOnlySpan<byte> source)
    {
        var candidate = new Candidate(BinaryPrimitives.ReadInt32LittleEndian(source), BinaryPrimitives.ReadSingleLittleEndian(source[4..]));
        source = source[8..];
        return candidate;
    }

    private static LinkException Malformed(int bytes) => new($"A result of {bytes} bytes is cut off or malformed.");
}
