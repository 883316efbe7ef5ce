using Llama.Grains.Text;
using Llama.Model.Chat;
using Llama.Model.Tokenization;

namespace Llama.Grains.Tests.Text;

public sealed class TokenizerServiceTests
{
    private static readonly ChatMessage[] WrongTurns = [new("assistant", "Hi"), new("assistant", "Hi")];

    [Fact]
    public async Task EncodeAsync_TextAndMessages_AreWhatTheModelItselfMakesOfThem()
    {
        LocalModel model = TestModels.Of();
        using var service = new TokenizerService(model);
        string id = (await service.DescribeAsync(Patience.Token)).Id;
        ChatMessage[] messages = [new("user", "Hi <s> there")];

        EncodedText whole = await service.EncodeAsync(new TextToEncode(id, "Hi <s> there", true, [], null), Patience.Token);
        EncodedText bare = await service.EncodeAsync(new TextToEncode(id, "Hi <s> there", false, [], null), Patience.Token);
        EncodedText chat = await service.EncodeAsync(new TextToEncode(id, null, false, messages, new ChatOptions()), Patience.Token);

        ITextEncoder encoder = model.Text.Encoder!;
        Assert.Equal(await encoder.EncodeAsync("Hi <s> there", true, Patience.Token), whole.Tokens);
        Assert.Equal(whole.Tokens.Skip(1), bare.Tokens);
        Assert.Equal(await encoder.EncodeAsync(messages, new ChatOptions(), Patience.Token), chat.Tokens);
        Assert.NotEqual(whole.Tokens, chat.Tokens);
        Assert.All([whole, bare, chat], encoded => Assert.Null(encoded.Fault));
    }

    [Fact]
    public async Task EncodeAsync_WhatItCannotDo_SaysWhy()
    {
        using var service = new TokenizerService(TestModels.Of());
        string id = (await service.DescribeAsync(Patience.Token)).Id;

        EncodedText wrong = await service.EncodeAsync(new TextToEncode(id, null, false, WrongTurns, new ChatOptions()), Patience.Token);
        EncodedText other = await service.EncodeAsync(new TextToEncode("of another", "Hi", true, [], null), Patience.Token);

        Assert.Equal(TextError.Invalid, wrong.Fault!.Error);
        Assert.Equal(TextError.OtherModel, other.Fault!.Error);
        Assert.Empty(wrong.Tokens);
        Assert.Empty(other.Tokens);
    }

    [Fact]
    public async Task DescribeAsync_Models_HaveOneIdEach()
    {
        string[] ids = await Task.WhenAll(
            IdAsync(TestModels.Of()), IdAsync(TestModels.Of()), IdAsync(TestModels.Of(template: "plain")), IdAsync(TestModels.Of(name: "other")),
            IdAsync(TestModels.With(new SlowEncoder())));

        Assert.Equal(ids[0], ids[1]);
        Assert.Equal(4, ids.Distinct().Count());

        static async Task<string> IdAsync(LocalModel model)
        {
            using var service = new TokenizerService(model);
            return (await service.DescribeAsync(Patience.Token)).Id;
        }
    }

    [Fact]
    public async Task ReadVocabularyAsync_Pages_AreTheVocabulary()
    {
        LocalModel model = TestModels.Of();
        using var service = new TokenizerService(model);
        ModelDescription description = await service.DescribeAsync(Patience.Token);
        List<byte> bytes = [];
        while (await ReadAsync(description.Id, bytes.Count) is { IsEmpty: false } page) bytes.AddRange(page.Span);

        Assert.Equal(description.Text!.VocabularyBytes, bytes.Count);
        Assert.Equal(VocabularyCodec.Write(model.Text.Vocabulary!).ToArray(), bytes);
        Assert.True((await ReadAsync("of another", 0)).IsEmpty);
        Assert.True((await ReadAsync(description.Id, -1)).IsEmpty);

        async Task<ReadOnlyMemory<byte>> ReadAsync(string id, int offset) =>
            (await service.ReadVocabularyAsync(new VocabularyPlace(id, offset), Patience.Token)).Bytes;
    }

    [Fact]
    public async Task EncodeAsync_MoreTextsThanProcessorsAndPlaces_WaitAndAreRefused()
    {
        using var encoder = new SlowEncoder();
        using var service = new TokenizerService(TestModels.With(encoder));
        string id = (await service.DescribeAsync(Patience.Token)).Id;
        Task<EncodedText>[] texts = [.. Enumerable.Range(0, TokenizerService.MostTexts).Select(_ => EncodeAsync())];

        Assert.Equal(TextError.Overloaded, (await EncodeAsync().Soon()).Fault!.Error);
        await Patience.UntilAsync(() => encoder.Running == Environment.ProcessorCount, () => $"{encoder.Running} run");
        Assert.All(texts, text => Assert.False(text.IsCompleted));

        encoder.MayEnd.Set();
        Assert.All(await Task.WhenAll(texts).Soon(), text => Assert.Equal([7], text.Tokens));
        Assert.Equal(Environment.ProcessorCount, encoder.Most);
        Assert.Null((await EncodeAsync().Soon()).Fault);

        Task<EncodedText> EncodeAsync() => service.EncodeAsync(new TextToEncode(id, "Hi", true, [], null), Patience.Token);
    }

    private sealed class SlowEncoder : ITextEncoder, IDisposable
    {
        private readonly Lock gate = new();

        public ManualResetEventSlim MayEnd { get; } = new();

        public int Running { get; private set; }

        public int Most { get; private set; }

        public ValueTask<IReadOnlyList<int>> EncodeAsync(string text, bool addSpecial, CancellationToken cancellationToken)
        {
            lock (gate) Most = Math.Max(Most, ++Running);
            MayEnd.Wait(Patience.Token);
            lock (gate) Running--;
            return new([7]);
        }

        public ValueTask<IReadOnlyList<int>> EncodeAsync(
            IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken) => new([]);

        public ValueTask<IReadOnlyList<int>> EncodeAsync(InfillPrompt prompt, CancellationToken cancellationToken) => new([]);

        public ValueTask<string> WriteAsync(IReadOnlyList<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken) => new("");

        public void Dispose() => MayEnd.Dispose();
    }
}
