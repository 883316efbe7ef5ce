using Llama.Model.Chat;
using Llama.Model.Tokenization;

namespace Llama.Grains.Text;

/// <summary>
/// The tokenizer and the chat template of a model, for processes that have no files of it. A stateless worker: each silo of role
/// <c>gateway</c>, which are those that clients of the cluster connect to, answers the calls that it gets. Its key is the model's name, or
/// <see cref="AnyModel"/>.
/// </summary>
[Alias("llama.ITokenizerGrain")]
public interface ITokenizerGrain : IGrainWithStringKey
{
    /// <summary>The key for who does not know the model's name: the model that the cluster serves.</summary>
    const string AnyModel = "*";

    /// <summary>Tells what is to be known of the model.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Describe"), ResponseTimeout("00:00:03")]
    Task<ModelDescription> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>Reads the vocabulary, a page at a time.</summary>
    /// <param name="place">The first byte of the page.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The page; an empty one behind the end, and of a model that this silo does not serve.</returns>
    [Alias("Vocabulary"), ResponseTimeout("00:00:03")]
    Task<VocabularyPage> ReadVocabularyAsync(VocabularyPlace place, CancellationToken cancellationToken);

    /// <summary>Encodes a text or a conversation.</summary>
    /// <param name="request">The text.</param>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Encode"), ResponseTimeout("00:00:30")]
    Task<EncodedText> EncodeAsync(TextToEncode request, CancellationToken cancellationToken);
}

/// <summary>What is to be known of a model by who has no files of it.</summary>
/// <param name="Id">Tells it from every other that differs in anything of this, or in the vocabulary.</param>
/// <param name="Shape">What requests are checked against.</param>
/// <param name="Text">How it reads and writes text; null for a model without a tokenizer.</param>
[GenerateSerializer, Immutable, Alias("llama.model-description")]
public sealed record ModelDescription(
    [property: Id(0)] string Id, [property: Id(1)] ModelShape Shape, [property: Id(2)] TextFacts? Text);

/// <summary>A place in a vocabulary.</summary>
/// <param name="Model">The <see cref="ModelDescription.Id"/> that is meant.</param>
/// <param name="Offset">A byte of it.</param>
[GenerateSerializer, Immutable, Alias("llama.vocabulary-place")]
public sealed record VocabularyPlace([property: Id(0)] string Model, [property: Id(1)] int Offset);

/// <summary>A part of a vocabulary, as <see cref="VocabularyCodec"/> writes it.</summary>
/// <param name="Bytes">The bytes.</param>
[GenerateSerializer, Immutable, Alias("llama.vocabulary-page")]
public sealed record VocabularyPage([property: Id(0)] ReadOnlyMemory<byte> Bytes);

/// <summary>A text, a conversation or a text with a gap to be encoded.</summary>
/// <param name="Model">The <see cref="ModelDescription.Id"/> that is meant.</param>
/// <param name="Text">The text; null for a conversation.</param>
/// <param name="AddSpecial">Whether the tokens around a prompt are added to the text.</param>
/// <param name="Messages">The conversation; empty for a text.</param>
/// <param name="Options">How the conversation is written; null for a text.</param>
/// <param name="Infill">The text with a gap; null for another.</param>
/// <param name="AsText">Whether the conversation is wanted as text.</param>
[GenerateSerializer, Immutable, Alias("llama.text-to-encode")]
public sealed record TextToEncode(
    [property: Id(0)] string Model, [property: Id(1)] string? Text, [property: Id(2)] bool AddSpecial,
    [property: Id(3)] IReadOnlyList<ChatMessage> Messages, [property: Id(4)] ChatOptions? Options, [property: Id(5)] InfillPrompt? Infill = null,
    [property: Id(6)] bool AsText = false);

/// <summary>What became of a text.</summary>
/// <param name="Tokens">Its token ids; empty where there is a fault.</param>
/// <param name="Fault">Why there are none; null where there are.</param>
/// <param name="Text">The conversation as text; null where it was not wanted.</param>
[GenerateSerializer, Immutable, Alias("llama.encoded-text")]
public sealed record EncodedText([property: Id(0)] IReadOnlyList<int> Tokens, [property: Id(1)] TextFault? Fault, [property: Id(2)] string? Text = null);

/// <summary>What kind of refusal a <see cref="TextFault"/> is.</summary>
public enum TextError
{
    /// <summary>The chat template does not allow such messages or options.</summary>
    Invalid,

    /// <summary>Too many texts wait; try again in a moment.</summary>
    Overloaded,

    /// <summary>This silo serves another model.</summary>
    OtherModel,
}

/// <summary>Why a text was not encoded.</summary>
/// <param name="Error">What kind of refusal.</param>
/// <param name="Message">Why, in a sentence.</param>
[GenerateSerializer, Immutable, Alias("llama.text-fault")]
public sealed record TextFault([property: Id(0)] TextError Error, [property: Id(1)] string Message);
