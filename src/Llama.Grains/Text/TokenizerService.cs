using System.Security.Cryptography;
using System.Text;
using Llama.Model.Chat;

namespace Llama.Grains.Text;

/// <summary>
/// Reads and writes text for other processes, with the tokenizer of this one. It works on the thread pool, on so many texts at a time as
/// there are processors; some more wait, and others are refused.
/// </summary>
/// <param name="model">The model.</param>
public sealed class TokenizerService(LocalModel model) : IDisposable
{
    /// <summary>Bytes of a page of the vocabulary at most.</summary>
    internal const int PageBytes = 256 << 10;

    /// <summary>Texts that are encoded or wait.</summary>
    internal const int MostTexts = 1024;

    private readonly SemaphoreSlim working = new(Environment.ProcessorCount);
    private readonly Lazy<Task<(ModelDescription Description, ReadOnlyMemory<byte> Vocabulary)>> description =
        new(() => Task.Run(() => DescribeAsync(model)));

    private int texts;

    /// <summary>The model.</summary>
    internal LocalModel Model => model;

    /// <inheritdoc cref="ITokenizerGrain.DescribeAsync"/>
    internal async Task<ModelDescription> DescribeAsync(CancellationToken cancellationToken) =>
        (await description.Value.WaitAsync(cancellationToken).ConfigureAwait(false)).Description;

    /// <inheritdoc cref="ITokenizerGrain.ReadVocabularyAsync"/>
    internal async Task<VocabularyPage> ReadVocabularyAsync(VocabularyPlace place, CancellationToken cancellationToken)
    {
        (ModelDescription own, ReadOnlyMemory<byte> vocabulary) = await description.Value.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (place.Model != own.Id || (uint)place.Offset >= (uint)vocabulary.Length) return new VocabularyPage(ReadOnlyMemory<byte>.Empty);
        return new VocabularyPage(vocabulary.Slice(place.Offset, Math.Min(PageBytes, vocabulary.Length - place.Offset)));
    }

    /// <inheritdoc cref="ITokenizerGrain.EncodeAsync"/>
    internal async Task<EncodedText> EncodeAsync(TextToEncode request, CancellationToken cancellationToken)
    {
        ModelDescription own = await DescribeAsync(cancellationToken).ConfigureAwait(false);
        if (request.Model != own.Id || model.Text.Encoder is not { } encoder)
            return Refuse(TextError.OtherModel, $"The gateway serves another model now: '{own.Shape.Name}'.");
        try
        {
            if (Interlocked.Increment(ref texts) > MostTexts)
                return Refuse(TextError.Overloaded, $"{MostTexts} texts wait to be tokenized.");
            await working.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return new EncodedText(await Task.Run(() => EncodeAsync(encoder, request), cancellationToken).ConfigureAwait(false), null);
            }
            finally
            {
                working.Release();
            }
        }
        catch (ChatException e)
        {
            return Refuse(TextError.Invalid, e.Message);
        }
        finally
        {
            Interlocked.Decrement(ref texts);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => working.Dispose();

    private static EncodedText Refuse(TextError error, string message) => new([], new TextFault(error, message));

    private static async Task<IReadOnlyList<int>> EncodeAsync(ITextEncoder encoder, TextToEncode request) => request.Text is { } text
        ? await encoder.EncodeAsync(text, request.AddSpecial, CancellationToken.None).ConfigureAwait(false)
        : await encoder.EncodeAsync(request.Messages, request.Options ?? new ChatOptions(), CancellationToken.None).ConfigureAwait(false);

    private static async Task<(ModelDescription Description, ReadOnlyMemory<byte> Vocabulary)> DescribeAsync(LocalModel model)
    {
        ModelText text = await model.Reading.ConfigureAwait(false);
        ReadOnlyMemory<byte> vocabulary = text.Vocabulary is { } tokens ? VocabularyCodec.Write(tokens) : default;
        TextFacts? facts = text.Vocabulary is { AddsLeadingSpace: var adds }
            ? new TextFacts(text.EndTokens, text.Template, adds, vocabulary.Length)
            : null;
        return (new ModelDescription(IdOf(model.Shape, facts, vocabulary.Span), model.Shape, facts), vocabulary);
    }

    private static string IdOf(ModelShape shape, TextFacts? facts, ReadOnlySpan<byte> vocabulary)
    {
        var content = new MemoryStream();
        using (var writer = new BinaryWriter(content, Encoding.UTF8))
        {
            writer.Write(shape.Name);
            writer.Write(shape.Fingerprint);
            writer.Write(shape.ContextLength);
            writer.Write(shape.VocabSize);
            writer.Write(shape.Sampling.Temperature);
            writer.Write(shape.Sampling.TopK);
            writer.Write(shape.Sampling.TopP);
            writer.Write(shape.Sampling.MinP);
            writer.Write(facts is not null);
            if (facts is not null)
            {
                Write(writer, facts.EndTokens);
                writer.Write(facts.AddsLeadingSpace);
                writer.Write(facts.Template is not null);
                if (facts.Template is { } template)
                {
                    writer.Write(template.Name);
                    writer.Write(template.TakesOptions);
                    Write(writer, template.StopTokens);
                    writer.Write(template.Reasoning?.ToString() ?? "");
                    writer.Write(template.ToolForm is { } form ? $"{form.Kind} {form.IsOwn} {form.TakesSeveral} {string.Join(' ', form.Marks)}" : "");
                }
            }

            writer.Write(vocabulary);
            writer.Flush();
            return Convert.ToHexString(SHA256.HashData(content.GetBuffer().AsSpan(0, (int)content.Length)).AsSpan(0, 16));
        }
    }

    private static void Write(BinaryWriter writer, IReadOnlyList<int> tokens)
    {
        writer.Write(tokens.Count);
        foreach (int token in tokens) writer.Write(token);
    }
}
