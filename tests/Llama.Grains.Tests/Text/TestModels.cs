using Llama.Grains.Text;
using Llama.Model.Chat;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Grains.Tests.Text;

/// <summary>The shipped model as it is told to others.</summary>
internal static class TestModels
{
    public const string Name = "test";

    public static ITokenizer Tokenizer { get; } = TokenizerLoader.Load(TestPaths.TinyStories)!;

    public static LocalModel Of(string template = "llama2", string name = Name) => new(
        new ModelShape(name, "f00d", 256, Tokenizer.VocabSize, new SamplingParameters { TopK = 7 }),
        Task.FromResult(new ModelText(Tokenizer, ChatTemplates.Create(template, Tokenizer))));

    /// <summary>A model with an encoder that the test answers for.</summary>
    public static LocalModel With(ITextEncoder encoder)
    {
        var text = new ModelText(new TextFacts([], null, false, 0), Tokenizer, encoder);
        return new LocalModel(new ModelShape(Name, "f00d", 256, 512, new SamplingParameters()), Task.FromResult(text));
    }
}
