using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Llama.Grains.Generation;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>What the toy model tells of prompts: a log-probability and a state at each position, which are hashes of all tokens up to it.</summary>
internal static class ToyOutputs
{
    /// <summary>Answers a part of a step.</summary>
    /// <param name="question">The part.</param>
    /// <param name="tokens">The sequence's tokens up to its last one in the step.</param>
    /// <param name="first">Position of its first one there.</param>
    public static byte[] Answer(StepPart question, ReadOnlySpan<int> tokens, int first)
    {
        if (!question.Tag.SequenceEqual(StepParts.StateSum))
        {
            PromptRows rows = PromptRows.Read(question.Contents);
            var logprobs = new List<byte>();
            for (int i = 0; i < rows.Tokens.Length; i++) logprobs.AddRange(Logprob(tokens[..(first + rows.First + i + 1)], rows.Tokens[i], rows.TopLogprobs));
            return Part(ResultParts.PromptLogprobs, question.Sequence, [.. logprobs]);
        }

        StateRows states = StateRows.Read(question.Contents);
        long[] sum = new long[ToyModel.Config.Dim];
        for (int i = 0; i < states.Count; i++) StateSums.Add(sum, MemoryMarshal.AsBytes(State(tokens[..(first + states.First + i + 1)]).AsSpan()));
        return Part(ResultParts.StateSum, question.Sequence, MemoryMarshal.AsBytes(sum.AsSpan()).ToArray());
    }

    /// <summary>What a request is told of its prompt when it is alone.</summary>
    public static byte[] Alone(GenerationRequest request)
    {
        int[] tokens = [.. request.PromptTokens];
        if (request.Pooling is { } pooling)
        {
            long[] sum = new long[ToyModel.Config.Dim];
            for (int end = pooling == Pooling.Last ? tokens.Length : 1; end <= tokens.Length; end++)
                StateSums.Add(sum, MemoryMarshal.AsBytes(State(tokens.AsSpan(0, end)).AsSpan()));
            return MemoryMarshal.AsBytes(StateSums.Normalize(sum).AsSpan()).ToArray();
        }

        return request.PromptLogprobs is { } top
            ? [.. Enumerable.Range(1, tokens.Length - 1).SelectMany(i => Logprob(tokens.AsSpan(0, i), tokens[i], top))]
            : [];
    }

    private static byte[] Logprob(ReadOnlySpan<int> before, int token, int top)
    {
        byte[] bytes = new byte[8 + (8 * (1 + top))];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, 1 + (Hash(before) % ToyModel.Config.VocabSize));
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), top);
        Span<TokenLogprob> tokens = MemoryMarshal.Cast<byte, TokenLogprob>(bytes.AsSpan(8));
        for (int i = 0; i <= top; i++) tokens[i] = new TokenLogprob(i == 0 ? token : (token + i) % ToyModel.Config.VocabSize, -Hash(before) / 16f);
        return bytes;
    }

    private static long[] State(ReadOnlySpan<int> tokens)
    {
        int hash = Hash(tokens);
        return [.. Enumerable.Range(0, ToyModel.Config.Dim).Select(i => ((long)hash << (4 * i)) - (1L << 33))];
    }

    private static int Hash(ReadOnlySpan<int> tokens) => ToyModel.Next(tokens.ToArray(), 0.5);

    private static byte[] Part(ReadOnlySpan<byte> tag, int sequence, byte[] contents)
    {
        byte[] part = new byte[StepParts.HeaderBytes + contents.Length];
        tag.CopyTo(part);
        BinaryPrimitives.WriteInt32LittleEndian(part.AsSpan(4), sequence);
        BinaryPrimitives.WriteInt32LittleEndian(part.AsSpan(8), contents.Length);
        contents.CopyTo(part, StepParts.HeaderBytes);
        return part;
    }
}
