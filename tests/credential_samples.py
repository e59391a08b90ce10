"""Invented credentials, made when they are needed: nothing in this file looks like one."""

from __future__ import annotations

import base64
import json
import random
import string

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def made_up(length: int, characters: str = ALNUM, seed: int = 7) -> str:
    """What a machine might have made, always the same. It holds what rules ask for."""
    chance = random.Random(f"{seed} {length} {characters}")
    while True:
        text = "".join(chance.choices(characters, k=length))
        kinds = [string.ascii_lowercase, string.ascii_uppercase, string.digits]
        wanted = [kind for kind in kinds if set(kind) & set(characters)]
        if length < 8 or all(set(kind) & set(text) for kind in wanted):
            return text


def base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def jwt(claims: int = 2) -> str:
    header = base64url(json.dumps({"alg": "HS256", "typ": "JWT"}))
    payload = base64url(json.dumps({f"claim{n}": "ada" for n in range(claims)}))
    return f"{header}.{payload}.{made_up(43)}"


def private_key(kind: str = "RSA ", line_end: str = "\n") -> str:
    lines = [made_up(64, ALNUM + "+/", seed) for seed in range(12)]
    edge = "-" * 5
    head, tail = (f"{edge}{word} {kind}PRIVATE KEY{edge}" for word in ("BEGIN", "END"))
    return line_end.join([head, *lines, tail])


def provider_tokens() -> dict[str, list[str]]:
    """kind -> credentials that are known by their looks alone."""
    upper = string.ascii_uppercase + string.digits
    return {
        "AWS access key": ["AK" + "IA" + made_up(16, upper), "AS" + "IA" + made_up(16, upper)],
        "Anthropic API key": [
            "sk-" + "ant-api03-" + made_up(93) + "AA",
            "sk-" + "ant-oat01-" + made_up(80, ALNUM + "_-"),
        ],
        "OpenAI API key": [
            "sk-" + made_up(48),
            "sk-" + made_up(32, HEX),
            "sk-" + "proj-" + made_up(120, ALNUM + "_-"),
            "sk-" + "svcacct-" + made_up(60) + "T3Blbk" + "FJ" + made_up(60),
            "sk-" + "or-v1-" + made_up(64, HEX),
        ],
        "Google API key": ["AI" + "za" + made_up(35, ALNUM + "_-")],
        "Google OAuth secret": ["GOC" + "SPX-" + made_up(28)],
        "Google access token": ["ya" + "29." + made_up(120, ALNUM + "_-")],
        "Hugging Face token": ["hf" + "_" + made_up(34, string.ascii_letters)],
        "GitHub token": [
            *(f"gh{letter}_" + made_up(36) for letter in "pousr"),
            "github" + "_pat_" + made_up(22) + "_" + made_up(59),
        ],
        "GitLab token": ["gl" + "pat-" + made_up(20), "gl" + "rt-" + made_up(20)],
        "npm token": ["np" + "m_" + made_up(36)],
        "PyPI token": ["py" + "pi-AgEIcHlwaS5vcmc" + made_up(90, ALNUM + "_-")],
        "Slack token": [
            "xo" + "xb-24681012141-" + made_up(24),
            "xo" + "xp-24681012141-97531975319-" + made_up(32),
            "xa" + "pp-1-A0" + made_up(9, upper) + "-24681012141-" + made_up(60, HEX),
        ],
        "Slack webhook": [
            "https://hooks." + "slack.com/services/T" + made_up(8, upper) + "/B"
            + made_up(8, upper) + "/" + made_up(24),
        ],
        "Stripe key": [
            "sk" + "_live_" + made_up(24),
            "sk" + "_live_" + made_up(99),
            "rk" + "_live_" + made_up(24),
            "sk" + "_test_" + made_up(24),
        ],
        "Stripe webhook secret": ["wh" + "sec_" + made_up(32)],
        "SendGrid API key": ["S" + "G." + made_up(22) + "." + made_up(43)],
        "Square secret": ["sq0" + "csp-" + made_up(43)],
        "Telegram bot token": ["975318642:" + "AA" + made_up(33)],
        "Mailchimp API key": [made_up(32, HEX) + "-us" + "12"],
        "Azure storage key": ["Account" + "Key=" + made_up(86, ALNUM + "+/") + "=="],
        "Artifactory token": ["AK" + "C" + made_up(60)],
        "DigitalOcean token": ["do" + "p_v1_" + made_up(64, HEX)],
        "Groq API key": ["gs" + "k_" + made_up(52)],
        "xAI API key": ["xa" + "i-" + made_up(80)],
        "Perplexity API key": ["pp" + "lx-" + made_up(48)],
        "Replicate token": ["r" + "8_" + made_up(37)],
        "Vault token": ["hv" + "s." + made_up(90)],
        "Linear API key": ["lin" + "_api_" + made_up(40)],
        "Shopify token": ["shp" + "at_" + made_up(32, HEX)],
        "Supabase token": ["sb" + "p_" + made_up(40, HEX)],
        "age key": ["AGE-" + "SECRET-KEY-1" + made_up(58, upper)],
        "JSON Web Token": [jwt(), jwt(40)],
        "private key": [
            private_key(),
            private_key("OPENSSH "),
            private_key(""),
            private_key("EC "),
            private_key(line_end="\\n"),
            private_key(line_end="\n     7→"),
        ],
    }  # fmt: skip


def in_context() -> list[tuple[str, str, str]]:
    """(kind, text, the credential in it) where it takes what stands around it to know."""
    key40 = made_up(40, ALNUM + "/+")
    password, token, key = "hunter2" + "-xyz", made_up(32), made_up(24)
    hex32, strong = made_up(32, HEX), "Tr0ub4dor" + "&3!"
    basic = base64.b64encode(f"ada:{strong}".encode()).decode()
    discord = base64url("864209753186420975") + "." + made_up(6) + "." + made_up(27)
    return [
        ("AWS secret key", f'aws_secret_access_key = "{key40}"', key40),
        ("AWS secret key", f"AwsSecretAccessKey: '{key40}'", key40),
        ("API key", f"AWS_SECRET_ACCESS_KEY={key40}", key40),
        ("bearer token", f"Authorization: Bearer {token}", token),
        ("bearer token", f"curl -H 'authorization: bearer {token}' https://example.org", token),
        ("basic authorization", f"Authorization: Basic {basic}", basic),
        ("password in a URL", f"postgres://ada:{strong}@db.example.org:5432/tide", strong),
        ("password in a URL", "mongodb+srv://ada:p" + "Q7$x9@c.example.org/x", "p" + "Q7$x9"),
        ("password in a URL", f"redis://:{key}@localhost:6379/0", key),
        ("password in a URL", f"git clone https://ada:{key}@example.org/tide.git", key),
        ("Discord bot token", f"DISCORD_BOT: {discord}", discord),
        ("Twilio key", "TWILIO_SID=" + "AC" + made_up(32, HEX), "AC" + made_up(32, HEX)),
        ("password", f'password = "{password}"', password),
        ("password", f"  password: '{password}',", password),
        ("password", f'{{"password": "{password}"}}', password),
        ("password", f'{{\\"password\\": \\"{password}\\"}}', password),
        ("password", f'if (password === "{password}")', password),
        ("password", f"'password' => '{password}',", password),
        ("password", f"my_password := `{password}`", password),
        ("password", f"DB_PASSWORD={strong}", strong),
        ("password", f"PGPASSWORD={password} psql -h example.org", password),
        ("password", f"db:\n  password: {password}\n  port: 5432", password),
        ("password", f"mysql --password {password} tide", password),
        ("password", f"mysql --password={password} tide", password),
        ("password", f"passphrase = '{strong}'", strong),
        ("secret", f'"client_secret": "{token}"', token),
        ("secret", f"JWT_SECRET={token}", token),
        ("secret", f"SECRET_KEY = '{hex32}'", hex32),
        ("token", f"GITHUB_TOKEN={token}", token),
        ("token", f'const token: string = "{token}"', token),
        ("token", f'let token: &str = "{token}";', token),
        ("token", f"https://example.org/x?access_token={token}&y=1", token),
        ("token", f"//npm.example.org/:_authToken={token}", token),
        ("token", f"tool --token {token} run", token),
        ("API key", f"API_KEY={key}", key),
        ("API key", f"export API_KEY='{key}'", key),
        ("API key", f"\\nAPI_KEY={key}\\nPORT=80", key),
        ("API key", f"API_KEY={hex32}", hex32),
        ("API key", f'apiKey: "{token}"', token),
        ("API key", f'os.environ["API_KEY"] = "{token}"', token),
        ("API key", f"-H 'x-api-key: {token}'", token),
        ("API key", f"API_KEY_PROD={token}", token),
        ("key", f'encryption_key = "{token}"', token),
        ("key", f"ENCRYPTION_KEY = (\n    '{token}'\n)", ""),
    ][:-1]


def negatives() -> list[str]:
    """What people talk about all day that is no credential."""
    sha1, sha256 = made_up(40, HEX), made_up(64, HEX)
    uuid = "-".join(made_up(n, HEX) for n in (8, 4, 4, 4, 12))
    blob = made_up(400, ALNUM + "+/")
    begin, end = (f"-----{word} RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
    return [
        f"commit {sha1}",
        f"HEAD is now at {sha1[:7]} Fix the tide table",
        f"index {sha1[:10]}..{sha1[10:20]} 100644",
        f"key: {sha1}",
        f"cache_key = '{sha256}'",
        f"primary_key: {uuid}",
        f"{sha256}  tide-1.0.tar.gz",
        f"sha256:{sha256}",
        f"FROM python@sha256:{sha256}",
        f'"integrity": "sha512-{made_up(86, ALNUM + "+/")}=="',
        f"    --hash=sha256:{sha256} \\",
        f"md5 = '{made_up(32, HEX)}'",
        f"sessionId: {uuid}",
        f"session {uuid} started",
        f"request_token = '{uuid}'",
        f"token: {uuid}",
        "toolu_01" + made_up(22),
        "call_" + made_up(24),
        f'"tool_use_id": "toolu_01{made_up(22)}"',
        "msg_01" + made_up(22),
        "req_011" + made_up(21),
        "chatcmpl-" + made_up(29),
        "01J" + made_up(23, string.digits + "ABCDEFGHJKMNPQRSTVWXYZ"),
        f"data:image/png;base64,iVBORw0KGgo{blob}",
        f"[image/png, 12.3 KB, {made_up(12)}.png]",
        f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{made_up(43)} ada@example.org",
        f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{blob} ada@example.org",
        "/home/ada/projects/tide-2/src/api_key/password.py",
        "token_file = '/home/ada/.config/tide/token-2'",
        "password_file: ./secrets/db-password-1.txt",
        "secret = C:\\Users\\ada\\secret-1.txt",
        "key_path = ~/.ssh/id_ed25519",
        "def login(user: str, password: str, token: str | None = None) -> Token:",
        "password: null",
        "password: None,",
        "api_key: Optional[str] = None",
        "token: string;",
        "apiKey?: string,",
        "const token = await getToken2(session);",
        "password = get_password('db-1')",
        "api_key = os.environ['API_KEY_2']",
        'api_key=os.getenv("OPENAI_API_KEY_1")',
        "apiKey: process.env.STRIPE_KEY_2,",
        "token = settings.github_token_v2",
        "self.password = other.password2",
        "private_key: ed25519.Ed25519PrivateKey",
        "password = hash_password2",
        "token: ${{ secrets.GITHUB_TOKEN }}",
        'password: "${DB_PASSWORD_1}"',
        "API_KEY=$OTHER_KEY_1",
        'token = "{{ vault_token_1 }}"',
        "API_KEY=<your-api-key-1>",
        "API_KEY=your_api_key_123",
        "API_KEY=xxxxxxxxxxxxxxxxxxxxxxxx",
        "API_KEY=sk-" + "x" * 48,
        "ANTHROPIC_API_KEY=sk-" + "ant-...",
        "export OPENAI_API_KEY=sk-" + "your-key-goes-here-1234",
        "AKI" + "AIOSFODNN7EXAMPLE",
        "password: changeme123",
        "password = '********'",
        "password=" + "*" * 12,
        "password: '<password-1>'",
        "password = " + '"password123"',
        "password: " + '"test1234"',
        "token = 'dummy-token-1234567'",
        "PASSWORD=[redacted: password]",
        "postgres:/" + "/user:password@localhost/tide",
        "postgres:/" + "/postgres:postgres@localhost:5432/postgres",
        "postgres://ada:${DB_PASS}@db.example.org",
        "postgres://ada:<password>@db.example.org",
        "http://localhost:8080/@ada/feed",
        "https://example.org:443/a@b",
        "git@example.org:ada/tide.git",
        "http://127.0.0.1:8001/glin/messages?id=2",
        "max_tokens: 16384",
        "max_tokens=200000",
        "token_count = 123456789",
        "input_tokens: 1234567, output_tokens: 7654321",
        '"usage": {"cache_creation_input_tokens": 12345678}',
        "next_page_token = 'CAUQAA2b" + made_up(12) + "'",
        f'"nextPageToken": "{made_up(40)}"',
        f"csrf_token: {made_up(32)}",
        "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased2')",
        "tokens = tokenize(text_1)",
        "passed: 123456 tests",
        "key = 'background-color-2'",
        "const STORAGE_KEY = 'tide.settings.v2'",
        "sort_key=created_at_2024",
        "<input type='password' name='password' autocomplete='new-password-1'>",
        "'password' => " + "'required|min:8|confirmed'",
        "The password must be at least 8 characters.",
        "Your API key: see https://example.org/keys-1",
        "password: string().min(8)",
        "Authorization: Bearer <token>",
        "Authorization: Bearer $TOKEN_1",
        "Authorization: Bearer ${token1}",
        "Bearer authentication-with-tokens",
        "the bearer of this letter 1234567890",
        "Authorization: Basic realm=tide",
        "re.compile(r'-----BEGIN RSA " + "PRIVATE KEY-----')",
        f"{begin}\n...\n{end}",
        f"{begin} and {end} are its lines",
        "class='sk-fading-circle12 sk-circle-container-1'",
        "task-runner-with-long-name-2024 risk-assessment-2",
        "flex items-center justify-between px-4 py-2 bg-gray-100 hover:bg-gray-200",
        "text-sm font-medium text-gray-900 dark:text-white sm:px-6 lg:px-8",
        "!function(e,t){'object'==typeof exports?module.exports=t():e.key=t(),e.token=n2}(this);",
        "var a=b.token,c=d.password||e.secret1;f.apiKey=g[h2]",
        "aws s3 sync --key-prefix 'backups/2024' s3://tide-backup-1",
        f"arn:aws:secretsmanager:us-west-2:246810121416:secret:TideSecret-{made_up(6)}",
        f"'AWS::IAM::AccessKey': '{made_up(16, HEX)}'",
        "hf_hub_download(repo_id='ada/tide-2')",
        "npm_config_registry npm_lifecycle_event npm_package_version",
        "from ghp_import import main",
        "gh_pages ghs_client glpat-short",
        "eyJust a word. eyJ.eyJ.eyJ",
        "token_refreshed_at: 2026-02-11T05:53:33.335Z last_token: 2026-02-11T05:53:33.335Z",
        "keyboard-shortcut: ctrl+shift+p1",
        "PWD=/home/ada/tide-2 OLDPWD=/home/ada",
        "user.signingkey=" + made_up(16, HEX),
        made_up(60_000, ALNUM + "+/"),
    ]
