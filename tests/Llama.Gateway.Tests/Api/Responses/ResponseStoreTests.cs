using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Responses;
using Llama.Model.Chat;

namespace Llama.Gateway.Tests.Api.Responses;

public sealed class ResponseStoreTests
{
    private readonly ResponseStore store = new();

    [Fact]
    public void Keep_ManyOfOneClient_ForgetsItsOldestAndNobodyElses()
    {
        store.Keep(Response("other", "b"));
        for (var i = 0; i <= ResponseStore.MostOfClient; i++) store.Keep(Response($"{i}", "a"));
        Assert.Throws<ApiException>(() => store.Get("0", client: null, param: null));
        Assert.Equal("1", store.Get("1", client: null, param: null).Id);
        Assert.Equal("other", store.Get("other", client: null, param: null).Id);
    }

    [Fact]
    public void Keep_ManyOfAll_ForgetsTheOldest()
    {
        for (var i = 0; i <= ResponseStore.Most; i++) store.Keep(Response($"{i}", $"{i}"));
        Assert.Throws<ApiException>(() => store.Get("0", client: null, param: null));
        Assert.Equal("1", store.Get("1", client: null, param: null).Id);
    }

    [Fact]
    public void Keep_LargeOnes_AreBoundedInBytes()
    {
        for (var i = 0; i < 5; i++) store.Keep(Response($"{i}", "a", characters: 4 << 20));
        Assert.Throws<ApiException>(() => store.Get("1", client: null, param: null));
        Assert.Equal("2", store.Get("2", client: null, param: null).Id);
    }

    [Fact]
    public void Get_OfAnotherClient_IsNotKept()
    {
        store.Keep(Response("1", "a"));
        Assert.Equal(404, Assert.Throws<ApiException>(() => store.Get("1", "b", param: null)).Status);
        Assert.Throws<ApiException>(() => store.Forget("1", "b"));
        Assert.Equal("1", store.Get("1", "a", param: null).Id);
    }

    private static KeptResponse Response(string id, string client, int characters = 1) =>
        new(id, client, [new ChatMessage("user", new string('x', characters))], new byte[2]);
}
