using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Completions;

public sealed class CompletionErrorTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    [Theory]
    [InlineData("{}", "prompt", "prompt is missing; expected a string")]
    [InlineData("""{"prompt":null}""", "prompt", "prompt is missing")]
    [InlineData("""{"prompt":""}""", "prompt", "prompt is empty")]
    [InlineData("""{"prompt":[]}""", "prompt", "prompt is empty")]
    [InlineData("""{"prompt":[[]]}""", "prompt", "prompt[0] is empty")]
    [InlineData("""{"prompt":["a",""]}""", "prompt", "prompt[1] is empty")]
    [InlineData("""{"prompt":7}""", "prompt", "of strings or of lists of token ids; found the number 7.")]
    [InlineData("""{"prompt":{"a":1}}""", "prompt", "found an object")]
    [InlineData("""{"prompt":[1,"a"]}""", "prompt", "prompt[1] must be a token id from 0 to 258; found the string \"a\".")]
    [InlineData("""{"prompt":["a",1]}""", "prompt", "prompt[1] must be a string or a list of token ids; found the number 1.")]
    [InlineData("""{"prompt":[1,259]}""", "prompt", "prompt[1] must be a token id from 0 to 258; found the number 259.")]
    [InlineData("""{"prompt":[-1]}""", "prompt", "prompt[0] must be a token id from 0 to 258; found the number -1.")]
    [InlineData("""{"prompt":[[1],[1.5]]}""", "prompt", "prompt[1][0] must be a token id")]
    [InlineData("""{"prompt":[99999999999999999999]}""", "prompt", "prompt[0] must be a token id")]
    [InlineData("""{"prompt":"a","max_tokens":0}""", "max_tokens", "an integer from 1 to 2147483647; found the number 0.")]
    [InlineData("""{"prompt":"a","max_tokens":-5}""", "max_tokens", "found the number -5")]
    [InlineData("""{"prompt":"a","max_tokens":1e300}""", "max_tokens", "found the number 1e300")]
    [InlineData("""{"prompt":"a","max_tokens":2.5}""", "max_tokens", "found the number 2.5")]
    [InlineData("""{"prompt":"a","max_tokens":"many"}""", "max_tokens", "found the string \"many\"")]
    [InlineData("""{"prompt":"a","max_completion_tokens":0}""", "max_completion_tokens", "found the number 0")]
    [InlineData("""{"prompt":"a","temperature":-0.1}""", "temperature", "temperature must be a number from 0 to 2; found the number -0.1.")]
    [InlineData("""{"prompt":"a","temperature":2.1}""", "temperature", "found the number 2.1")]
    [InlineData("""{"prompt":"a","temperature":1e999}""", "temperature", "found the number 1e999")]
    [InlineData("""{"prompt":"a","temperature":"NaN"}""", "temperature", "found the string \"NaN\"")]
    [InlineData("""{"prompt":"a","temperature":true}""", "temperature", "found true")]
    [InlineData("""{"prompt":"a","top_p":0}""", "top_p", "top_p must be a number above 0 and at most 1; found the number 0.")]
    [InlineData("""{"prompt":"a","top_p":1.5}""", "top_p", "found the number 1.5")]
    [InlineData("""{"prompt":"a","top_k":-2}""", "top_k", "top_k must be an integer from -1 to 2147483647; found the number -2.")]
    [InlineData("""{"prompt":"a","min_p":2}""", "min_p", "min_p must be a number from 0 to 1")]
    [InlineData("""{"prompt":"a","seed":1e19}""", "seed", "seed must be an integer")]
    [InlineData("""{"prompt":"a","seed":"x"}""", "seed", "seed must be an integer")]
    [InlineData("""{"prompt":"a","n":0}""", "n", "n must be an integer from 1 to 16; found the number 0.")]
    [InlineData("""{"prompt":"a","n":17}""", "n", "n must be an integer from 1 to 16")]
    [InlineData("""{"prompt":["a","b"],"n":9}""", "prompt", "at most 16 choices; found 2 prompts with n = 9")]
    [InlineData("""{"prompt":"a","n":2,"best_of":1}""", "best_of", "best_of must be at least n; found 1 with n = 2.")]
    [InlineData("""{"prompt":"a","n":2,"best_of":3,"stream":true}""", "best_of", "the same as n in a stream; found 3 with n = 2.")]
    [InlineData("""{"prompt":"a","presence_penalty":2.5}""", "presence_penalty", "a number from -2 to 2; found the number 2.5.")]
    [InlineData("""{"prompt":"a","repetition_penalty":0}""", "repetition_penalty", "a number from 0.01 to 100; found the number 0.")]
    [InlineData("""{"prompt":"a","repeat_last_n":-2}""", "repeat_last_n", "an integer from -1")]
    [InlineData("""{"prompt":"a","logit_bias":{"259":1}}""", "logit_bias", "logit_bias.259 names no token; expected a token id from 0 to 258.")]
    [InlineData("""{"prompt":"a","logit_bias":{"a":1}}""", "logit_bias", "logit_bias.a names no token")]
    [InlineData("""{"prompt":"a","logit_bias":{"7":101}}""", "logit_bias", "logit_bias.7 must be a number from -100 to 100; found the number 101.")]
    [InlineData("""{"prompt":"a","logit_bias":{"7":1,"07":1}}""", "logit_bias.07", "is given twice")]
    [InlineData("""{"prompt":"a","logit_bias":[]}""", "logit_bias", "must be an object; found an empty list.")]
    [InlineData("""{"prompt":"a","min_tokens":9,"max_tokens":8}""", "min_tokens", "at most max_tokens; found 9 with max_tokens = 8.")]
    [InlineData("""{"prompt":"a","stop_token_ids":[259]}""", "stop_token_ids", "stop_token_ids[0] must be a token id")]
    [InlineData("""{"prompt":"a","bad_words":["a",""]}""", "bad_words", "bad_words[1] must be a string that is not empty")]
    [InlineData("""{"prompt":"a","bad_words":"a"}""", "bad_words", "a list of at most 32 strings; none empty; found the string")]
    [InlineData("""{"prompt":"a","allowed_token_ids":[]}""", "allowed_token_ids", "at least one token id; found an empty list.")]
    [InlineData("""{"prompt":"a","allowed_token_ids":[-1]}""", "allowed_token_ids", "allowed_token_ids[0] must be a token id")]
    [InlineData("""{"prompt":"a","prompt_logprobs":-1}""", "prompt_logprobs", "an integer from 0 to 20; found the number -1")]
    [InlineData("""{"prompt":"a","logprobs":21}""", "logprobs", "logprobs must be an integer from 0 to 20")]
    [InlineData("""{"prompt":"a","logprobs":true}""", "logprobs", "logprobs must be an integer from 0 to 20; found true.")]
    [InlineData("""{"prompt":"a","stop":""}""", "stop", "stop must be a string that is not empty")]
    [InlineData("""{"prompt":"a","stop":["b",3]}""", "stop", "found the number 3")]
    [InlineData("""{"prompt":"a","stop":["","","","","","","","","","","","","","","","",""]}""", "stop", "at most 16 strings; found 17")]
    [InlineData("""{"prompt":"a","stream":"yes"}""", "stream", "stream must be true or false; found the string \"yes\".")]
    [InlineData("""{"prompt":"a","stream_options":[]}""", "stream_options", "stream_options must be an object; found an empty list.")]
    [InlineData("""{"prompt":"a","priority":1.5}""", "priority", "found the number 1.5")]
    [InlineData("""{"prompt":"a","timeout":0}""", "timeout", "a number from 0.001 to 86400")]
    [InlineData("""{"prompt":"a","session_id":7}""", "session_id", "must be a string of at most 256 characters; found the number 7.")]
    [InlineData("""{"prompt":"a","stream_options":{"include_usage":1}}""", "stream_options.include_usage", "found the number 1")]
    [InlineData("""{"prompt":"a","ignore_eos":0}""", "ignore_eos", "ignore_eos must be true or false")]
    [InlineData("""{"prompt":"a","model":5}""", "model", "model must be a string; found the number 5.")]
    public async Task Post_BadField_Answers400NamingIt(string json, string param, string message)
    {
        var error = await shared.Gateway.PostErrorAsync("/v1/completions", json);
        error.Is(400, param, message);
        Assert.Equal("invalid_request_error", error.Type);
    }

    [Fact]
    public async Task Post_UnknownModel_Answers404()
    {
        var error = await shared.Gateway.PostErrorAsync("/v1/completions", """{"model":"gpt-4","prompt":"a"}""");
        error.Is(404, "model", "'gpt-4' is not served here; the one that is: 'test-model'", "model_not_found");
    }

    [Fact]
    public async Task Post_PromptAsLongAsTheContext_Answers400WithBothNumbers()
    {
        var tokens = string.Join(',', Enumerable.Repeat(7, 64));
        var error = await shared.Gateway.PostErrorAsync("/v1/completions", $$"""{"prompt":[{{tokens}}]}""");
        error.Is(400, "prompt", "context is 64 tokens, prompt and answer together; found 64 tokens in prompt", "context_length_exceeded");
    }

    [Fact]
    public async Task Post_LongText_IsRefusedBeforeItIsEncoded()
    {
        var error = await shared.Gateway.PostErrorAsync("/v1/completions", $$"""{"prompt":"{{new string('x', 1000)}}"}""");
        error.Is(400, "prompt", "found at least 1000 tokens in prompt", "context_length_exceeded");
    }

    [Fact]
    public async Task Post_PromptAndMaxTokensBeyondTheContext_Answers400()
    {
        var error = await shared.Gateway.PostErrorAsync("/v1/completions", """{"prompt":[1,2,3],"max_tokens":62}""");
        error.Is(400, "prompt", "is 64 tokens, prompt and answer together; found 3", "context_length_exceeded");
        error.Is(400, "prompt", "found 3 tokens in prompt and 62 for the answer.", "context_length_exceeded");
        await shared.Gateway.PostOkAsync("/v1/completions", """{"prompt":[1,2,3],"max_tokens":61}""");
    }
}
