using System.Buffers.Binary;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Links;

/// <summary>What comes back from the last stage for one step.</summary>
/// <param name="Epoch">The plan of the step.</param>
/// <param name="Number">The step's number.</param>
/// <param name="Sampled">The tokens, one for each sequence of the step that sampled, and what else was asked for.</param>
public readonly record struct StepResult(ulong Epoch, ulong Number, SampledTokens Sampled);

/// <summary>
/// A step's result as bytes, little-endian: epoch and number (8 each), count of tokens and bytes of optional parts (4 each), for each
/// token the sampled one, the count of its top logprobs (4), and the top logprobs; then the <see cref="OptionalParts"/>. A token is its
/// id (4) and log-probability (4).
/// </summary>
public static class ResultCodec
{
    /// <summary>Longest encoded result.</summary>
    public const int MaxBytes = HeaderBytes + (Step.MaxTokens * (12 + (Step.MaxTopLogprobs * 8))) + OptionalParts.MaxBytes;

    private const int HeaderBytes = 24;

    /// <summary>Bytes that a result takes.</summary>
    public static int Bytes(StepResult result)
    {
        int bytes = HeaderBytes + result.Sampled.Parts.Length;
        for (int i = 0; i < result.Sampled.Count; i++) bytes += 12 + (result.Sampled[i].TopLogprobs.Length * 8);
        return bytes;
    }

    /// <summary>Encodes a result.</summary>
    /// <param name="result">The result.</param>
    /// <param name="target">At least <see cref="Bytes"/> bytes.</param>
    public static void Write(StepResult result, Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(target, result.Epoch);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], result.Number);
        BinaryPrimitives.WriteInt32LittleEndian(target[16..], result.Sampled.Count);
        BinaryPrimitives.WriteInt32LittleEndian(target[20..], result.Sampled.Parts.Length);
        Span<byte> rest = target[HeaderBytes..];
        for (int i = 0; i < result.Sampled.Count; i++)
        {
            SampledToken sampled = result.Sampled[i];
            rest = WriteLogprob(rest, sampled.Sampled);
            BinaryPrimitives.WriteInt32LittleEndian(rest, sampled.TopLogprobs.Length);
            rest = rest[4..];
            foreach (TokenLogprob logprob in sampled.TopLogprobs) rest = WriteLogprob(rest, logprob);
        }

        result.Sampled.Parts.CopyTo(rest);
    }

    /// <summary>Decodes a result.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="sampled">Empty; receives the tokens, and becomes the result's.</param>
    /// <exception cref="LinkException">The bytes are no result, or one of its parts must be understood and is unknown.</exception>
    public static StepResult Read(ReadOnlySpan<byte> source, SampledTokens sampled)
    {
        ArgumentNullException.ThrowIfNull(sampled);
        if (source.Length < HeaderBytes) throw Malformed(source.Length);
        ulong epoch = BinaryPrimitives.ReadUInt64LittleEndian(source);
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(source[16..]);
        int partBytes = BinaryPrimitives.ReadInt32LittleEndian(source[20..]);
        if (count is < 0 or > Step.MaxTokens || partBytes < 0 || partBytes > source.Length - HeaderBytes) throw Malformed(source.Length);
        OptionalParts.CheckResult(source[^partBytes..]);
        sampled.AddParts(source[^partBytes..]);
        ReadOnlySpan<byte> rest = source[HeaderBytes..^partBytes];
        Span<TokenLogprob> best = stackalloc TokenLogprob[Step.MaxTopLogprobs];
        for (int i = 0; i < count; i++)
        {
            if (rest.Length < 12) throw Malformed(source.Length);
            TokenLogprob token = ReadLogprob(ref rest);
            int topLogprobs = BinaryPrimitives.ReadInt32LittleEndian(rest);
            rest = rest[4..];
            if (topLogprobs is < 0 or > Step.MaxTopLogprobs || rest.Length < topLogprobs * 8) throw Malformed(source.Length);
            for (int j = 0; j < topLogprobs; j++) best[j] = ReadLogprob(ref rest);
            sampled.Add(token, best[..topLogprobs]);
        }

        if (rest.Length > 0) throw Malformed(source.Length);
        return new StepResult(epoch, number, sampled);
    }

    private static Span<byte> WriteLogprob(Span<byte> target, TokenLogprob logprob)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, logprob.Token);
        BinaryPrimitives.WriteSingleLittleEndian(target[4..], logprob.LogProbability);
        return target[8..];
    }

    private static TokenLogprob ReadLogprob(ref ReadOnlySpan<byte> source)
    {
        var logprob = new TokenLogprob(BinaryPrimitives.ReadInt32LittleEndian(source), BinaryPrimitives.ReadSingleLittleEndian(source[4..]));
        source = source[8..];
        return logprob;
    }

    private static LinkException Malformed(int bytes) => new($"A result of {bytes} bytes is cut off or malformed.");
}
